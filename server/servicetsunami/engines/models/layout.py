"""Which columns go into which input of a model, and what is wrong where they do not fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from servicetsunami.domain.endpoint import Signature, TensorSpec
from servicetsunami.errors import InvalidInput

_LISTED_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The columns of one input, in its order; `is_stacked` when they stand side by side in it."""

    spec: TensorSpec
    columns: tuple[str, ...]
    is_stacked: bool


def lay_out(
    signature: Signature, names: Sequence[str], *, may_have_more: bool = False
) -> list[Feed]:
    """Assign columns to inputs, by their names, or by their order where features have no names.

    Raises InvalidInput that names a column that is missing, or that nobody asked for; the latter
    are left alone with `may_have_more`, as in a dataset that also has other columns.
    """
    if len(signature.inputs) == 1:
        [spec] = signature.inputs
        if signature.columns:
            _check(signature.columns, names, may_have_more=may_have_more)
            return [Feed(spec=spec, columns=signature.columns, is_stacked=True)]
        if spec.name in names and (may_have_more or len(names) == 1):
            return [Feed(spec=spec, columns=(spec.name,), is_stacked=False)]
        return [_in_order(spec, names)]
    wanted = [spec.name for spec in signature.inputs]
    _check(wanted, names, may_have_more=may_have_more)
    return [Feed(spec=each, columns=(each.name,), is_stacked=False) for each in signature.inputs]


def _in_order(spec: TensorSpec, names: Sequence[str]) -> Feed:
    width = spec.width
    if len(spec.shape) > 2 or (width is not None and len(names) != width):
        raise InvalidInput(
            f"The input {spec.name} takes {spec.words}, and {len(names)} columns were given: "
            f"{_listed(names)}.",
            f"Give as many columns as it takes, or one column {spec.name} of lists.",
        )
    return Feed(spec=spec, columns=tuple(names), is_stacked=width != 1 or len(spec.shape) > 1)


def _check(wanted: Sequence[str], given: Sequence[str], *, may_have_more: bool) -> None:
    missing = [each for each in wanted if each not in given]
    if missing:
        near = get_close_matches(missing[0], given, n=1)
        hint = f" Did you mean it by {near[0]!r}?" if near else ""
        raise InvalidInput(
            f"The column {missing[0]!r} is missing.{hint}",
            f"Give all of: {_listed(wanted)}.",
        )
    unknown = [each for each in given if each not in wanted]
    if unknown and not may_have_more:
        raise InvalidInput(
            f"The model has no column {unknown[0]!r}.", f"Give only: {_listed(wanted)}."
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED_MAX} more" if len(names) > _LISTED_MAX else ""
    return ", ".join(names[:_LISTED_MAX]) + more
