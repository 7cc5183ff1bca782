"""Which scope each operation needs: the one table of what a credential allows."""

from typing import Final

from servicetsunami.domain.caller import Caller, Scope
from servicetsunami.errors import Denied

TOOL_SCOPES: Final = {
    "list_assets": Scope.READ,
    "describe_asset": Scope.READ,
    "query_dataset": Scope.READ,
    "get_run": Scope.READ,
    "search_vectors": Scope.READ,
    "sync_status": Scope.READ,
    "tenant_usage": Scope.READ,
    "ingest_dataset": Scope.WRITE,
    "save_notebook": Scope.WRITE,
    "create_job": Scope.WRITE,
    "index_documents": Scope.WRITE,
    "delete_asset": Scope.WRITE,
    "run_notebook": Scope.RUN,
    "run_job": Scope.RUN,
    "cancel_run": Scope.RUN,
    "invoke_model": Scope.RUN,
    "deploy_model": Scope.SERVE,
    "manage_sync": Scope.ADMIN,
}
REST_SCOPES: Final = {
    "list_catalogs": Scope.READ,
    "describe_catalog": Scope.READ,
    "update_catalog": Scope.ADMIN,
    "delete_catalog": Scope.ADMIN,
}
"""What only REST has; a route that does what a tool does goes by the tool's name."""


def scope_of(operation: str) -> Scope:
    """The scope that an operation needs; one that nobody has thought of is for administrators."""
    return TOOL_SCOPES.get(operation) or REST_SCOPES.get(operation, Scope.ADMIN)


def require(caller: Caller, scope: Scope, what: str) -> None:
    """Raise Denied where the caller's credential lacks the scope."""
    if scope not in caller.scopes:
        raise Denied(
            f"{what} needs the scope {scope}, which this credential does not have.",
            "Ask whoever gave it to you for one that has it.",
        )
