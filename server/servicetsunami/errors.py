"""How things fail: one tree, whose messages a model or a person can act on.

ServerError                 base; says what failed and what to do next
├── InvalidInput            an argument, a file or a name is not usable as it is
├── SqlRefused              a statement is not allowed, or would not mean the same here and there
├── SqlFailed               an allowed statement failed while it ran, such as by a bad cast
├── NotFound                the caller named something that does not exist, or is not theirs
├── Conflict                the thing changed meanwhile, exists already, or is being written
├── Denied                  the caller, or the configuration, does not permit it
├── Unauthenticated         a credential is missing, unknown, expired or meant for somebody else
├── LimitExceeded           a size, memory or row limit was reached
│   ├── TooManyCalls            the caller asks too much at a time, or too often; may pass by itself
│   └── BudgetUsedUp            a month's budget is used up, or would be by what was asked for
├── TimedOut                the work did not end within its time-out, and was stopped
├── Cancelled               the caller asked to stop, and the work was stopped
├── RemoteError             Databricks did not do what it was asked; `code` is its own word for it
│   ├── RemoteUnavailable       it did not answer, or not in time, or asked to wait
│   ├── RemoteUnauthenticated   it does not accept the credentials
│   ├── RemoteDenied            the credentials lack a permission there
│   ├── RemoteNotFound          it does not have what was named
│   ├── RemoteConflict          the thing exists already, or is being changed; may pass by itself
│   │   └── RemotePending               it is at work on it: nothing is wrong, look again later
│   └── RemoteRefused           it will never do this, however often it is asked
└── ConfigurationError      a setting or this machine needs a change before the server can work
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Self


class ServerError(Exception):
    """Base of the tree. `next_step` is what the caller should do now."""

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(f"{what} {next_step}")
        self.what = what
        self.next_step = next_step

    def __reduce__(self) -> tuple[type[Self], tuple[str, ...]]:
        """Errors cross process borders: workers raise them, the server shows them."""
        return type(self), (self.what, self.next_step)


class InvalidInput(ServerError):
    """An argument, a file or a name is not usable as it is."""


class SqlRefused(ServerError):
    """A statement is not allowed, or cannot be executed the same way here and there."""


class SqlFailed(ServerError):
    """An allowed statement failed while it ran."""


class NotFound(ServerError):
    """The caller named something that does not exist, or that is not theirs."""

    @classmethod
    def dataset(cls, name: str, known: Sequence[str]) -> Self:
        """Name the three nearest datasets, so that the next call can be right."""
        similar = get_close_matches(name, known, n=3, cutoff=0.4)
        if similar:
            hint = f"Did you mean {', '.join(similar)}? Call list_assets to see all datasets."
        elif known:
            hint = "Call list_assets to see which datasets exist."
        else:
            hint = "There are no datasets yet: call ingest_dataset first."
        return cls(f"No dataset is named {name!r}.", hint)

    @classmethod
    def notebook(cls, name: str, known: Sequence[str]) -> Self:
        """Name the three nearest notebooks."""
        similar = get_close_matches(name, known, n=3, cutoff=0.4)
        hint = "Call save_notebook first, or give `content`."
        if similar:
            hint = f"Did you mean {', '.join(similar)}?"
        return cls(f"No notebook is named {name!r}.", hint)

    @classmethod
    def index(cls, name: str, known: Sequence[str]) -> Self:
        """Name the three nearest indexes."""
        similar = get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"Did you mean {', '.join(similar)}?" if similar else "Call index_documents first."
        return cls(f"No index is named {name!r}.", hint)

    @classmethod
    def endpoint(cls, name: str, known: Sequence[str]) -> Self:
        """Name the three nearest endpoints."""
        similar = get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"Did you mean {', '.join(similar)}?" if similar else "Call deploy_model first."
        return cls(f"No endpoint is named {name!r}.", hint)

    @classmethod
    def job(cls, name: str, known: Sequence[str]) -> Self:
        """Name the three nearest jobs."""
        similar = get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"Did you mean {', '.join(similar)}?" if similar else "Call create_job first."
        return cls(f"No job is named {name!r}.", hint)


class Conflict(ServerError):
    """The thing changed meanwhile, exists already, or is being written."""


class Denied(ServerError):
    """The caller, or the configuration, does not permit it."""


class Unauthenticated(ServerError):
    """A credential is missing, unknown, expired or meant for somebody else."""


class LimitExceeded(ServerError):
    """A size, memory or row limit was reached."""


class TooManyCalls(LimitExceeded):
    """The caller asks for too much at a time, or too often; it may call again after `wait_s`."""

    def __init__(self, what: str, next_step: str, wait_s: float = 1.0) -> None:
        super().__init__(what, next_step)
        self.wait_s = wait_s


class BudgetUsedUp(LimitExceeded):
    """A month's budget is used up, or would be by what was asked for."""


class TimedOut(ServerError):
    """The work did not end within its time-out, and was stopped."""


class Cancelled(ServerError):
    """The caller asked to stop, and the work was stopped."""


class RemoteError(ServerError):
    """Databricks did not do what it was asked.

    `code` is its error code, such as `RESOURCE_DOES_NOT_EXIST` or an error class of SQL such as
    `TABLE_OR_VIEW_NOT_FOUND`; empty when it gave none.
    """

    def __init__(self, what: str, next_step: str, code: str = "") -> None:
        super().__init__(what, next_step)
        self.code = code

    def __reduce__(self) -> tuple[type[Self], tuple[str, ...]]:
        """Keep the code on the way through a process border."""
        return type(self), (self.what, self.next_step, self.code)


class RemoteUnavailable(RemoteError):
    """Databricks did not answer, or not in time, or asked to wait."""


class RemoteUnauthenticated(RemoteError):
    """Databricks does not accept the credentials."""


class RemoteDenied(RemoteError):
    """The credentials lack a permission on Databricks."""


class RemoteNotFound(RemoteError):
    """Databricks does not have what was named."""


class RemoteConflict(RemoteError):
    """The thing exists already on Databricks, or is being changed; it may pass by itself."""


class RemotePending(RemoteConflict):
    """Databricks, or an earlier change, is still at work; look again after `wait_s`."""

    def __init__(self, what: str, next_step: str, code: str = "", wait_s: float = 5.0) -> None:
        super().__init__(what, next_step, code)
        self.wait_s = wait_s


class RemoteRefused(RemoteError):
    """Databricks will never do this, however often it is asked."""


class ConfigurationError(ServerError):
    """A setting or this machine needs a change before the server can work."""
