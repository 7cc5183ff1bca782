"""How a statement fails: in HTTP 200, with an error class in its message."""


class SqlError(Exception):
    def __init__(self, error_class: str, message: str, *, code: str = "BAD_REQUEST") -> None:
        super().__init__(message)
        self.code = code
        self.message = f"[{error_class}] {message} SQLSTATE: 42000"


def not_found(name: str) -> SqlError:
    return SqlError(
        "TABLE_OR_VIEW_NOT_FOUND", f"The table or view `{name}` cannot be found.", code="NOT_FOUND"
    )
