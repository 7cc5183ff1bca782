"""What crosses a wire: answers of the services, the same on MCP and REST."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    JsonValue,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)
from typing_extensions import TypeAliasType

from servicetsunami.domain.dataset import Column, Dataset, DatasetVersion, Pulled
from servicetsunami.domain.notebook import Notebook
from servicetsunami.domain.run import Run

AnyJson = TypeAliasType(
    "AnyJson",
    Annotated[
        JsonValue,
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string"},
                    {"type": "number"},
                    {"type": "boolean"},
                    {"type": "null"},
                    {"type": "array"},
                    {"type": "object", "additionalProperties": True},
                ]
            }
        ),
    ],
)
"""Any JSON value, spelt out: some clients refuse a schema that accepts anything by being empty."""

AS_OBJECT = WithJsonSchema({"type": "object", "additionalProperties": True})
"""Publishes a part of an answer as some object.

Its keys tell what they mean to whoever reads an answer; to spell them out beforehand would cost
every conversation more than it helps.
"""
AnyObject = Annotated[dict[str, JsonValue], AS_OBJECT]
"""Any JSON object."""
AnyArray = Annotated[list[JsonValue], WithJsonSchema({"type": "array"})]
"""Any JSON array."""


AssetKindName = Literal["dataset", "notebook", "job", "index", "endpoint"]


class Answer(BaseModel):
    """Base of all answers. What is not known or does not apply is left out, not null."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_serializer(mode="wrap")
    def _leave_out_nothing_to_say(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


def follow(run_id: str) -> str:
    """What to do about a run that goes on."""
    return f"Call get_run with run_id {run_id} to follow it, or cancel_run to stop it."


class ColumnAnswer(Answer):
    """A column as Databricks SQL names it."""

    name: str
    type: str

    @classmethod
    def of(cls, column: Column) -> "ColumnAnswer":
        """Take over what matters to a reader of results."""
        return cls(name=column.name, type=column.type)


class SyncAnswer(Answer):
    """Where an asset stands on its way to Databricks: waiting, synced, parked or off."""

    state: str
    version: int | None = None
    at: str | None = None
    error: str | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> "SyncAnswer":
        """Take over the sync columns of a dataset."""
        return cls(
            state=dataset.sync_state.value,
            version=dataset.synced_version,
            at=dataset.synced_at.isoformat() if dataset.synced_at else None,
            error=dataset.sync_error,
        )

    @classmethod
    def of_notebook(cls, notebook: Notebook) -> "SyncAnswer":
        """Take over the sync columns of a notebook."""
        return cls(
            state=notebook.sync_state.value,
            version=notebook.synced_revision,
            at=notebook.synced_at.isoformat() if notebook.synced_at else None,
            error=notebook.sync_error,
        )


class TableRead(Answer):
    """Which version of a table an answer was computed from."""

    table: str
    version: int | None = None
    as_of: str


class QueryAnswer(Answer):
    """One page of a result; `rows` are arrays in the order of `columns`, or objects."""

    columns: list[ColumnAnswer]
    rows: list[list[AnyJson]] | list[dict[str, AnyJson]]
    row_count: int
    row_count_is_minimum: bool | None = None
    truncated: bool
    cursor: str | None = None
    cut_cells: int | None = None
    state: Literal["running"] | None = None
    ran_on: Literal["local", "databricks"]
    reason: str
    stale_since: str | None = None
    tables: list[TableRead]
    elapsed_ms: int
    cost: AnyObject | None = None
    note: str | None = None


class InferredColumn(Answer):
    """A column of an ingested file, and how its type came about."""

    name: str
    type: str
    how: str
    source_name: str | None = None


class RejectedRow(Answer):
    """A row of the source that could not be taken."""

    line: int | None = None
    column: str | None = None
    reason: str
    raw: str | None = None


class IngestAnswer(Answer):
    """What an ingest did; one that goes on has a `run_id`, and only what is known before."""

    name: str
    mode: str
    run_id: str | None = None
    state: Literal["RUNNING"] | None = None
    version: int | None = None
    rows_written: int | None = None
    row_count: int | None = None
    size_bytes: int | None = None
    columns: list[Annotated[InferredColumn, AS_OBJECT]] | None = None
    format: str | None = None
    read_as: AnyObject | None = None
    rejected_rows: int | None = None
    rejected_first: list[Annotated[RejectedRow, AS_OBJECT]] | None = None
    rejects_dataset: str | None = None
    changes: AnyObject | None = None
    warnings: list[str] | None = None
    seconds: float | None = None
    sync: Annotated[SyncAnswer, AS_OBJECT] | None = None
    next: str

    @classmethod
    def going_on(cls, run: Run) -> "IngestAnswer":
        """An ingest that took too long to wait for."""
        return cls(
            name=run.name,
            mode=run.parameters["mode"],
            run_id=run.id,
            state="RUNNING",
            next=follow(run.id),
        )


class RemoteAssetAnswer(Answer):
    """A table in the tenant's catalog on Databricks that is not here; `kind` as it is there."""

    name: str
    kind: str


class AssetAnswer(Answer):
    """One line of a list of assets; `version` of a notebook is its revision."""

    kind: AssetKindName
    name: str
    row_count: int | None = None
    size_bytes: int
    version: int
    updated_at: str
    sync: str
    columns: list[str] | None = None
    language: str | None = None
    cells: int | None = None
    tasks: int | None = None
    next_fire_at: str | None = None


class AssetsAnswer(Answer):
    """A page of assets."""

    assets: list[Annotated[AssetAnswer, AS_OBJECT]]
    total: int
    truncated: bool
    cursor: str | None = None
    catalog: str
    on_databricks: list[Annotated[RemoteAssetAnswer, AS_OBJECT]] | None = None
    on_databricks_as_of: str | None = None
    on_databricks_error: str | None = None
    next: str | None = None


class DescribedColumn(Answer):
    """A column with what the table's own log knows of its values."""

    name: str
    type: str
    nulls: int | None = None
    min: AnyJson = None
    max: AnyJson = None


class VersionAnswer(Answer):
    """One change of a dataset."""

    version: int
    operation: str
    rows_written: int
    row_count: int
    at: str

    @classmethod
    def of(cls, version: DatasetVersion) -> "VersionAnswer":
        """Take over the record of a change."""
        return cls(
            version=version.version,
            operation=version.operation,
            rows_written=version.rows_written,
            row_count=version.row_count,
            at=version.created_at.isoformat(),
        )


class PulledAnswer(Answer):
    """Which table on Databricks a dataset is a copy of, in which version, and since when."""

    table: str
    version: int | None = None
    at: str

    @classmethod
    def of(cls, pulled: Pulled) -> "PulledAnswer":
        """Take over where a dataset was copied from."""
        return cls(table=pulled.table, version=pulled.version, at=pulled.at.isoformat())


class TraceAnswer(Answer):
    """Which version of a dataset a run has read or written."""

    run_id: str
    name: str
    did: Literal["read", "wrote"]
    version: int
    at: str


class DescribedAsset(Answer):
    """All that helps to use one asset well; a table that is only on Databricks has no versions."""

    kind: str
    name: str
    full_name: str | None = None
    origin: str | None = None
    where: Literal["here", "here and on databricks", "databricks"]
    table_path: str | None = None
    row_count: int | None = None
    size_bytes: int | None = None
    columns: list[Annotated[DescribedColumn, AS_OBJECT]] | None = None
    sample: list[AnyArray] | None = None
    version: int | None = None
    versions: list[Annotated[VersionAnswer, AS_OBJECT]] | None = None
    language: str | None = None
    format: str | None = None
    cells: list[AnyObject] | None = None
    content: str | None = None
    content_cut: bool | None = None
    revisions: list[AnyObject] | None = None
    job: AnyObject | None = None
    index: AnyObject | None = None
    endpoint: AnyObject | None = None
    created_at: str | None = None
    updated_at: str | None = None
    sync: Annotated[SyncAnswer, AS_OBJECT] | None = None
    pulled: Annotated[PulledAnswer, AS_OBJECT] | None = None
    runs: list[Annotated[TraceAnswer, AS_OBJECT]] | None = None
    next: str


class DeletedAsset(Answer):
    """What was removed, and what is still to be removed elsewhere."""

    kind: str
    name: str
    row_count: int | None = None
    size_bytes: int
    sync: Annotated[SyncAnswer, AS_OBJECT]
