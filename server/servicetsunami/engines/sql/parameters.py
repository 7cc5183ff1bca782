"""Values for the parameters of a statement, as Databricks takes them: texts with a type."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from servicetsunami.errors import InvalidInput

_INT_MAX: Final = 2**31
_BIGINT_MAX: Final = 2**63
_DECIMAL_DIGITS_MAX: Final = 38


def remote_parameters(
    values: Mapping[str, JsonValue], wanted: Sequence[str]
) -> list[tuple[str, str | None, str]]:
    """Name, text and type of each parameter that a statement uses, typed as a local query does.

    Raises InvalidInput for one without a value, and for a list or an object: Databricks takes
    neither.
    """
    missing = [name for name in wanted if name not in values]
    if missing:
        raise InvalidInput(
            f"[UNBOUND_SQL_PARAMETER] The statement uses :{missing[0]}, which has no value.",
            f"Give parameters={{'{missing[0]}': …}}.",
        )
    return [(name, *_typed(name, values[name])) for name in wanted]


def _typed(name: str, value: JsonValue) -> tuple[str | None, str]:
    if value is None:
        return None, "VOID"
    if isinstance(value, bool):
        return str(value).lower(), "BOOLEAN"
    if isinstance(value, int):
        return str(value), _integer_type(name, value)
    if isinstance(value, float):
        return repr(value), "DOUBLE"
    if isinstance(value, str):
        return value, "STRING"
    raise InvalidInput(
        f"The parameter {name} is a list or an object, which Databricks does not take.",
        "Write the values into the statement, or use run_on local.",
    )


def _integer_type(name: str, value: int) -> str:
    if -_INT_MAX <= value < _INT_MAX:
        return "INT"
    if -_BIGINT_MAX <= value < _BIGINT_MAX:
        return "BIGINT"
    digits = len(str(abs(value)))
    if digits > _DECIMAL_DIGITS_MAX:
        raise InvalidInput(
            f"The parameter {name} has more than {_DECIMAL_DIGITS_MAX} digits.",
            "Pass it as text, or as a smaller number.",
        )
    return f"DECIMAL({digits},0)"
