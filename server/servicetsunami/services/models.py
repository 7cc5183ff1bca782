"""Owns a tenant's model endpoints: deploys, asks, describes and deletes them."""

import shutil
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from anyio import CancelScope, to_thread
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.endpoint import (
    REMOTE_PREFIX,
    Endpoint,
    ModelVersion,
    Place,
    Signature,
    VersionState,
    endpoint_name,
)
from servicetsunami.domain.outbox import AssetKind, Change
from servicetsunami.errors import Conflict, InvalidInput, LimitExceeded, TimedOut
from servicetsunami.services.answers import (
    AssetAnswer,
    AssetsAnswer,
    DeletedAsset,
    DescribedAsset,
    SyncAnswer,
)
from servicetsunami.services.asset_pages import (
    FETCHED_ITEMS,
    PAGE_ITEMS,
    asset_page,
    check_confirmed,
)
from servicetsunami.services.model_answers import DeployedModel, InvokedModel, described_endpoint
from servicetsunami.services.model_conversion import ModelConversion
from servicetsunami.services.model_files import (
    Taken,
    models_dir,
    put_into_place,
    remove_models,
    take,
)
from servicetsunami.services.model_runs import ModelRuns, Serving
from servicetsunami.services.paths import AllowedRoots
from servicetsunami.services.progress import Report
from servicetsunami.services.promises import promise_newest
from servicetsunami.services.quotas import Quotas
from servicetsunami.services.remote_models import RemoteModels
from servicetsunami.services.usage import Tally, UsageMeter
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

_SKOPS: Final = "skops"
_VERSIONS_SHOWN: Final = 20


class Models:
    """Owns what callers see of models: `runs` asks those of this machine, `there` the others."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        runs: ModelRuns,
        conversion: ModelConversion,
        there: RemoteModels,
        quotas: Quotas,
        roots: AllowedRoots,
        usage: UsageMeter,
        data_dir: Path,
        on_change: Callable[[], None],
    ) -> None:
        self._metadata = metadata
        self._runs = runs
        self._conversion = conversion
        self._there = there
        self._quotas = quotas
        self._on_change = on_change
        self._roots = roots
        self._usage = usage
        self._data_dir = data_dir

    async def deploy(self, caller: Caller, name: str, source: str) -> DeployedModel:
        """Make a model the newest version of an endpoint, which it makes if there is none.

        It serves once it was loaded; one that cannot be loaded is kept as FAILED, with its reason,
        and the version before goes on serving. Raises InvalidInput for what is no model.
        """
        with self._usage.measure(caller, "deploy_model"):
            name = endpoint_name(name)
            if source.startswith(REMOTE_PREFIX):
                await self._there.check(caller, name, source)
                endpoint, version = await self._promise(caller, name, source)
                self._on_change()
            else:
                endpoint, version = await self._deploy(caller, name, source)
        return DeployedModel.of(endpoint, version)

    async def _deploy(
        self, caller: Caller, name: str, source: str
    ) -> tuple[Endpoint, ModelVersion]:
        locate = partial(self._roots.locate, source, private=self._data_dir, may_be_folder=True)
        path = await to_thread.run_sync(locate)
        async with self._metadata.read() as transaction:
            before = await transaction.endpoints.find(caller.tenant, name)
        _check_place(before, Place.LOCAL)
        async with self._taken(caller, path) as taken:
            version = await self._tried(caller, taken, source)
            return await self._record(caller, name, before, version, taken)

    async def _promise(
        self, caller: Caller, name: str, source: str
    ) -> tuple[Endpoint, ModelVersion]:
        """Write a version down that Databricks is to serve, and promise it, in one commit."""
        version = ModelVersion(
            version=0,
            state=VersionState.WAITING,
            flavour="databricks",
            source=source,
            created_at=datetime.now(UTC),
        )
        async with self._metadata.begin() as transaction:
            before = await transaction.endpoints.find(caller.tenant, name)
            _check_place(before, Place.DATABRICKS)
            endpoint = _endpoint(caller, name, before, version)
            version = replace(version, version=endpoint.revision)
            await self._save(transaction, endpoint, before, version)
            await promise_newest(transaction, endpoint, Change.UPSERT, at=version.created_at)
        return endpoint, version

    @asynccontextmanager
    async def _taken(self, caller: Caller, source: Path) -> AsyncGenerator[Taken]:
        """A copy of the model, which goes unless it was put into its place."""
        taken = await to_thread.run_sync(take, source, models_dir(self._data_dir, caller.tenant))
        try:
            yield taken
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(partial(shutil.rmtree, taken.folder, ignore_errors=True))

    async def _tried(self, caller: Caller, taken: Taken, source: str) -> ModelVersion:
        """A version as it came out of being loaded once."""
        version = ModelVersion(
            version=0,
            state=VersionState.READY,
            flavour=taken.flavour,
            source=source,
            file=taken.file,
            sha256=taken.sha256,
            size_bytes=taken.size_bytes,
            created_at=datetime.now(UTC),
        )
        try:
            if taken.flavour == _SKOPS:
                taken = await self._conversion.convert(caller, taken)
            signature = await self._runs.inspect(caller, taken)
        except (InvalidInput, LimitExceeded, TimedOut) as error:
            return replace(
                version, state=VersionState.FAILED, reason=str(error), file=None, size_bytes=0
            )
        return replace(version, file=taken.file, signature=_named(signature, taken))

    async def _record(
        self,
        caller: Caller,
        name: str,
        before: Endpoint | None,
        version: ModelVersion,
        taken: Taken,
    ) -> tuple[Endpoint, ModelVersion]:
        """Write the version down, with its files in place before it counts."""
        endpoint = _endpoint(caller, name, before, version)
        version = replace(version, version=endpoint.revision)
        async with self._metadata.begin() as transaction:
            await self._save(transaction, endpoint, before, version)
            if version.state is VersionState.READY:
                # Inside: nobody else can have this number now, so what is there is nobody's.
                place = self._folder(endpoint, version.version)
                await to_thread.run_sync(put_into_place, taken.folder, place)
        return endpoint, version

    async def _save(
        self,
        transaction: "Transaction",
        endpoint: Endpoint,
        before: Endpoint | None,
        version: ModelVersion,
    ) -> None:
        """Write a version down; raises LimitExceeded for more than the tenant may keep."""
        if before is None:
            await self._quotas.check_room(transaction, endpoint.tenant, AssetKind.ENDPOINT)
            await transaction.endpoints.add(endpoint)
        else:
            await transaction.endpoints.update(endpoint, base_revision=before.revision)
        await transaction.endpoints.add_version(endpoint.id, version)
        await self._quotas.check_data(transaction, endpoint.tenant)

    def _folder(self, endpoint: Endpoint, version: int) -> Path:
        return models_dir(self._data_dir, endpoint.tenant) / endpoint.id / str(version)

    async def invoke(
        self,
        caller: Caller,
        name: str,
        given: Mapping[str, JsonValue],
        output: str,
        report: Report,
    ) -> InvokedModel:
        """Ask an endpoint, or as `databricks:name` one of the workspace's.

        Raises InvalidInput that names the column that does not fit.
        """
        started = time.monotonic()
        with self._usage.measure(caller, "invoke_model") as tally:
            if name.startswith(REMOTE_PREFIX):
                other = name.removeprefix(REMOTE_PREFIX)
                facts = await self._there.ask_other(caller, other, given, tally)
                facts |= {"ran_on": "databricks", "reason": "you named an endpoint of Databricks"}
            else:
                facts = await self._invoke(caller, name, given, output, report, tally)
        await self._usage.flush_when_due()
        elapsed_ms = round((time.monotonic() - started) * 1000)
        return InvokedModel(name=name, elapsed_ms=elapsed_ms, **facts)

    async def _invoke(  # noqa: PLR0917 - a call, and what is counted of it
        self,
        caller: Caller,
        name: str,
        given: Mapping[str, JsonValue],
        output: str,
        report: Report,
        tally: Tally,
    ) -> dict[str, Any]:
        async with self._metadata.read() as transaction:
            endpoint = await transaction.endpoints.get(caller.tenant, name)
            number = endpoint.serving or endpoint.revision
            version = await transaction.endpoints.version(caller.tenant, endpoint.id, number)
        if endpoint.place is Place.DATABRICKS:
            facts = await self._there.ask(caller, endpoint, given, tally)
            where = {"ran_on": "databricks", "reason": "the endpoint is on Databricks"}
            return facts | where | {"version": endpoint.serving}
        if version is None or version.state is not VersionState.READY:
            reason = version.reason if version else ""
            raise Conflict(
                f"{name} has no version that serves yet: {reason}", "Deploy a model that loads."
            )
        path = self._folder(endpoint, version.version) / str(version.file)
        serving = Serving(version=version, path=path)
        if "dataset" in given or output:
            facts = await self._runs.score(caller, serving, given, output, report)
        else:
            facts = await self._runs.predict(caller, serving, given)
        tally.rows = facts["rows"]
        where = {"ran_on": "local", "reason": "the endpoint is on this machine"}
        return facts | where | {"version": version.version}

    async def page(self, caller: Caller, *, search: str | None, cursor: str | None) -> AssetsAnswer:
        """One page of the caller's endpoints, in the order of their names."""
        async with self._metadata.read() as transaction:
            found = await transaction.endpoints.list(
                caller.tenant, search=search, after=cursor, limit=FETCHED_ITEMS
            )
            total = await transaction.endpoints.count(caller.tenant, search=search)
        endpoints = [endpoint for endpoint, _ in found]
        lines = [_line(endpoint, size_bytes) for endpoint, size_bytes in found[:PAGE_ITEMS]]
        nothing = "There are no such endpoints: call deploy_model."
        return asset_page(caller, endpoints, lines, total=total, nothing=nothing)

    async def describe(self, caller: Caller, name: str) -> DescribedAsset:
        """The signature of what serves, the versions with their states, and where it runs."""
        with self._usage.measure(caller, "describe_asset"):
            async with self._metadata.read() as transaction:
                endpoint = await transaction.endpoints.get(caller.tenant, name)
                versions = await transaction.endpoints.versions(
                    caller.tenant, endpoint.id, limit=_VERSIONS_SHOWN
                )
                serving = None
                if endpoint.serving is not None:
                    serving = await transaction.endpoints.version(
                        caller.tenant, endpoint.id, endpoint.serving
                    )
        told = described_endpoint(endpoint, versions, serving)
        if endpoint.place is Place.DATABRICKS:
            told["databricks"] = await self._there.look(caller, endpoint)
        return DescribedAsset(
            kind="endpoint",
            name=endpoint.name,
            where="here" if endpoint.place is Place.LOCAL else "databricks",
            version=endpoint.revision,
            endpoint=told,
            created_at=endpoint.created_at.isoformat(),
            updated_at=endpoint.updated_at.isoformat(),
            sync=_sync(endpoint),
            next="Call invoke_model with this name." if serving else "Call deploy_model again.",
        )

    async def delete(self, caller: Caller, name: str, *, confirm: str) -> DeletedAsset:
        """Forget an endpoint and its models. Raises InvalidInput unless `confirm` is its name."""
        check_confirmed(name, confirm)
        now = datetime.now(UTC)
        async with self._metadata.begin() as transaction:
            endpoint = await transaction.endpoints.get(caller.tenant, name)
            size_bytes = await transaction.endpoints.size_bytes(caller.tenant, endpoint.id)
            await transaction.endpoints.delete(caller.tenant, name, at=now)
            if endpoint.place is Place.DATABRICKS:
                await promise_newest(transaction, endpoint, Change.DELETE, at=now)
        self._on_change()
        models = models_dir(self._data_dir, caller.tenant)
        await to_thread.run_sync(remove_models, models, [endpoint.id])
        return DeletedAsset(
            kind="endpoint",
            name=name,
            size_bytes=size_bytes,
            sync=_sync(endpoint),
        )


def _named(signature: Signature, taken: Taken) -> Signature:
    """The signature with the names of its features, where it has none and they are known."""
    names = tuple(name for name, _ in taken.columns)
    if len(signature.inputs) == 1 and signature.inputs[0].width == len(names) > 1:
        return replace(signature, columns=names)
    return signature


def _check_place(before: Endpoint | None, place: Place) -> None:
    """Refuse to move an endpoint: whoever calls it counts on where it answers."""
    if before is not None and before.place is not place:
        where = "on this machine" if before.place is Place.LOCAL else "on Databricks"
        raise Conflict(
            f"The endpoint {before.name} is served {where}.",
            "Take another name, or delete it first.",
        )


def _endpoint(
    caller: Caller, name: str, before: Endpoint | None, version: ModelVersion
) -> Endpoint:
    """The endpoint with a new version, which serves if it is ready."""
    is_there = version.state is VersionState.WAITING
    is_kept_here = before is not None and before.sync_state is SyncState.OFF
    revision = 1 if before is None else before.revision + 1
    serving = None if before is None else before.serving
    if version.state is VersionState.READY:
        serving = revision
    facts: dict[str, Any] = {
        "revision": revision,
        "serving": serving,
        "updated_at": version.created_at,
        "sync_state": SyncState.WAITING if is_there and not is_kept_here else SyncState.OFF,
    }
    if before is not None:
        return replace(before, **facts)
    return Endpoint(
        id=uuid4().hex,
        tenant=caller.tenant,
        name=name,
        place=Place.DATABRICKS if is_there else Place.LOCAL,
        created_at=version.created_at,
        **facts,
    )


def _line(endpoint: Endpoint, size_bytes: int) -> AssetAnswer:
    return AssetAnswer(
        kind="endpoint",
        name=endpoint.name,
        size_bytes=size_bytes,
        version=endpoint.revision,
        updated_at=endpoint.updated_at.isoformat(),
        sync=endpoint.sync_state.value,
    )


def _sync(endpoint: Endpoint) -> SyncAnswer:
    return SyncAnswer(
        state=endpoint.sync_state.value,
        version=endpoint.synced_revision,
        at=endpoint.synced_at.isoformat() if endpoint.synced_at else None,
        error=endpoint.sync_error,
    )
