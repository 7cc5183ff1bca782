"""Jobs and when they are due, seen one tenant at a time but for their schedules."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.job import Job, JobThere
from servicetsunami.domain.job_settings import read_settings
from servicetsunami.domain.run import RunState
from servicetsunami.errors import Conflict, NotFound
from servicetsunami.stores.datasets import StateTotals
from servicetsunami.stores.revised import RevisedAssets
from servicetsunami.stores.schema import JOBS, RUNS
from servicetsunami.stores.scope import owned_by


class Jobs(RevisedAssets):
    """The jobs of all tenants."""

    TABLE = JOBS

    async def add(self, job: Job) -> None:
        """Remember a new job; raises Conflict when the tenant has one of that name."""
        await self._tenants.ensure(job.tenant, at=job.created_at)
        values = {
            "id": job.id,
            "tenant": job.tenant,
            "metadata_": job.there.as_metadata() if job.there else {},
            "created_at": job.created_at,
            **_changing(job),
        }
        try:
            await self._connection.execute(insert(JOBS).values(values))
        except IntegrityError as error:
            raise Conflict(f"A job named {job.name} was saved just now.", "Call again.") from error

    async def update(self, job: Job, *, base_revision: int) -> None:
        """Save a new definition; raises Conflict when it was changed or deleted meanwhile."""
        statement = (
            update(JOBS)
            .where(
                owned_by(job.tenant, JOBS), JOBS.c.id == job.id, JOBS.c.revision == base_revision
            )
            .values(_changing(job))
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise Conflict(
                f"The job {job.name} was changed or deleted meanwhile.",
                "Nothing was saved: call describe_asset, then save again.",
            )

    async def find(self, tenant: str, name: str) -> Job | None:
        """The job of that name, or None."""
        statement = select(JOBS).where(owned_by(tenant, JOBS), JOBS.c.name == name)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_job(row)

    async def find_by_id(self, tenant: str, job_id: str) -> Job | None:
        """The job with that id, or None."""
        statement = select(JOBS).where(owned_by(tenant, JOBS), JOBS.c.id == job_id)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_job(row)

    async def get(self, tenant: str, name: str) -> Job:
        """The job of that name; raises NotFound with the nearest names."""
        found = await self.find(tenant, name)
        if found is None:
            raise NotFound.job(name, await self.names(tenant))
        return found

    async def names(self, tenant: str) -> tuple[str, ...]:
        """The names of all jobs, in order."""
        statement = select(JOBS.c.name).where(owned_by(tenant, JOBS)).order_by(JOBS.c.name)
        return tuple(str(name) for name in await self._connection.scalars(statement))

    async def list(
        self, tenant: str, *, search: str | None, after: str | None, limit: int
    ) -> tuple[Job, ...]:
        """Jobs in the order of their names, from behind `after`."""
        statement = _matching(select(JOBS), tenant, search)
        if after is not None:
            statement = statement.where(JOBS.c.name > after)
        statement = statement.order_by(JOBS.c.name).limit(limit)
        return tuple(_to_job(row) for row in await self._connection.execute(statement))

    async def count(self, tenant: str, *, search: str | None = None) -> int:
        """How many `list` would show without its limit."""
        statement = _matching(select(func.count()).select_from(JOBS), tenant, search)
        return (await self._connection.execute(statement)).scalar_one()

    async def delete(self, tenant: str, name: str, *, at: datetime) -> Job:
        """Forget the job and free its name; raises NotFound."""
        job = await self.get(tenant, name)
        statement = (
            update(JOBS)
            .where(owned_by(tenant, JOBS), JOBS.c.id == job.id)
            .values(deleted_at=at, next_fire_at=None)
        )
        await self._connection.execute(statement)
        return job

    async def agree(self, tenant: str, job_id: str, there: JobThere) -> None:
        """Remember what Databricks has: the number of the job, and how it was written last."""
        await self._change(tenant, job_id, metadata_=there.as_metadata())

    async def on_databricks(self, tenant: str, *, limit: int) -> tuple[Job, ...]:
        """The jobs that have a number on Databricks, those that were changed last first."""
        statement = (
            select(JOBS)
            .where(owned_by(tenant, JOBS), JOBS.c.synced_revision.is_not(None))
            .order_by(JOBS.c.updated_at.desc())
            .limit(limit)
        )
        return tuple(_to_job(row) for row in await self._connection.execute(statement))

    async def totals(self, tenant: str) -> tuple[StateTotals, ...]:
        """Count of the jobs, by where they stand on their way to Databricks."""
        statement = (
            select(JOBS.c.sync_state, func.count())
            .where(owned_by(tenant, JOBS))
            .group_by(JOBS.c.sync_state)
        )
        rows = await self._connection.execute(statement)
        return tuple(
            StateTotals(state=SyncState(state), count=count, row_count=0, size_bytes=0)
            for state, count in rows
        )

    async def has_work(self) -> bool:
        """Whether any tenant has a schedule, or a run of a job that goes on here."""
        scheduled = select(JOBS.c.id).where(JOBS.c.next_fire_at.is_not(None)).limit(1)
        if (await self._connection.execute(scheduled)).first() is not None:
            return True
        going = select(RUNS.c.id).where(
            RUNS.c.job_id.is_not(None),
            RUNS.c.state == RunState.RUNNING.value,
            RUNS.c.ran_on == "local",
        )
        return (await self._connection.execute(going.limit(1))).first() is not None

    async def due(self, *, at: datetime, limit: int) -> tuple[Job, ...]:
        """Jobs of all tenants whose fire time has come, the earliest first."""
        statement = (
            select(JOBS)
            .where(JOBS.c.deleted_at.is_(None), JOBS.c.next_fire_at <= at)
            .order_by(JOBS.c.next_fire_at)
            .limit(limit)
        )
        return tuple(_to_job(row) for row in await self._connection.execute(statement))

    async def fired(self, job: Job, *, next_fire_at: datetime | None) -> bool:
        """Go on to the next fire time; False when another server has fired this one."""
        statement = (
            update(JOBS)
            .where(
                JOBS.c.id == job.id,
                JOBS.c.next_fire_at == job.next_fire_at,
                JOBS.c.deleted_at.is_(None),
            )
            .values(next_fire_at=next_fire_at)
        )
        return (await self._connection.execute(statement)).rowcount == 1


def _matching(statement: Select[Any], tenant: str, search: str | None) -> Select[Any]:
    statement = statement.where(owned_by(tenant, JOBS))
    if search:
        statement = statement.where(JOBS.c.name.icontains(search, autoescape=True))
    return statement


def _changing(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "definition": dict(job.settings.source),
        "revision": job.revision,
        "next_fire_at": job.next_fire_at,
        "updated_at": job.updated_at,
        "sync_state": job.sync_state.value,
    }


def _to_job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        settings=read_settings(row.definition),
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
        next_fire_at=row.next_fire_at,
        sync_state=SyncState(row.sync_state),
        synced_revision=row.synced_revision,
        synced_at=row.synced_at,
        sync_error=row.sync_error,
        there=JobThere.of(row.metadata_),
    )
