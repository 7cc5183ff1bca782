"""Turns what a database driver raises into errors that somebody can act on."""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import exc

from servicetsunami.errors import ConfigurationError, Conflict, LimitExceeded, ServerError

_BUSY = ("database is locked", "database table is locked", "deadlock detected", "lock timeout")
_FULL = ("disk is full", "no space left", "could not extend file")
_DAMAGED = ("file is not a database", "disk image is malformed")


@contextmanager
def translated(where: str) -> Generator[None]:
    """Raise Conflict, LimitExceeded or ConfigurationError for what the database refuses.

    `where` names the database in messages, without its password. An IntegrityError passes:
    only the caller knows which of its promises was broken. So does a bug in our SQL.
    """
    try:
        yield
    except exc.TimeoutError as error:
        raise _busy(where) from error
    except exc.IntegrityError:
        raise
    except exc.DBAPIError as error:
        known = _typed(str(error.orig), where, is_disconnect=error.connection_invalidated)
        if known is None:
            raise
        raise known from error
    except (OSError, TimeoutError) as error:
        raise unreachable(where, str(error) or "no answer in time") from error


def unreachable(where: str, reason: str) -> ConfigurationError:
    """Describe a database that cannot be opened or no longer answers."""
    return ConfigurationError(
        f"The metadata database {where} cannot be used: {reason}.",
        "Check SERVICETSUNAMI_DATABASE_URL, that the server or file it names exists and may be "
        "read and written, and run 'servicetsunami doctor'.",
    )


def _busy(where: str) -> Conflict:
    return Conflict(
        f"The metadata database {where} is busy: other writers did not finish in time.",
        "Call again in a few seconds.",
    )


def _typed(message: str, where: str, *, is_disconnect: bool) -> ServerError | None:
    lowered = message.lower()
    if any(sign in lowered for sign in _BUSY):
        return _busy(where)
    if any(sign in lowered for sign in _FULL):
        return LimitExceeded(
            f"The disk of the metadata database {where} is full.",
            "Free some space, then call again; nothing was changed.",
        )
    if any(sign in lowered for sign in _DAMAGED):
        return unreachable(where, "the file is damaged, or is not a SQLite database")
    signs = ("unable to open database", "readonly database", "connection is closed", "connect")
    if is_disconnect or any(sign in lowered for sign in signs):
        return unreachable(where, message.strip().rstrip("."))
    return None
