"""The official SDK drives jobs, serving, vector search, workspace objects and secrets."""

import base64
import io
import json
from collections.abc import Iterator

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound, ResourceConflict
from databricks.sdk.service import jobs, serving, vectorsearch, workspace

from tests.fakes.databricks import FakeWorkspace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path_factory.mktemp("workspace")) as running:
        yield running


@pytest.fixture(scope="module")
def client(fake: FakeWorkspace) -> WorkspaceClient:
    config = Config(
        host=fake.url, token=fake.token, http_timeout_seconds=5, retry_timeout_seconds=5
    )
    return WorkspaceClient(config=config)


def test_notebooks_are_imported_exported_listed_and_deleted(client: WorkspaceClient) -> None:
    source = b"# Databricks notebook source\nprint(1)\n"
    client.workspace.mkdirs("/Shared/demo/deep")
    client.workspace.import_(
        "/Shared/demo/one",
        content=base64.b64encode(source).decode(),
        format=workspace.ImportFormat.SOURCE,
        language=workspace.Language.PYTHON,
    )
    form = workspace.ImportFormat.AUTO
    client.workspace.upload("/Shared/demo/data.txt", io.BytesIO(b"plain"), format=form)

    listed = {o.path: o.object_type for o in client.workspace.list("/Shared/demo")}
    exported = client.workspace.export("/Shared/demo/one")
    status = client.workspace.get_status("/Workspace/Shared/demo/one")

    assert listed["/Shared/demo/one"] == workspace.ObjectType.NOTEBOOK
    assert listed["/Shared/demo/data.txt"] == workspace.ObjectType.FILE
    assert base64.b64decode(str(exported.content)) == source
    assert status.language == workspace.Language.PYTHON
    assert int(status.object_id or 0) > 2**53
    with pytest.raises(BadRequest):
        client.workspace.delete("/Shared/demo")
    client.workspace.delete("/Shared/demo", recursive=True)
    with pytest.raises(NotFound):
        client.workspace.get_status("/Shared/demo/one")


def test_secrets_are_kept(client: WorkspaceClient) -> None:
    client.secrets.create_scope("s")
    client.secrets.put_secret("s", "k", string_value="hidden")

    assert [each.key for each in client.secrets.list_secrets("s")] == ["k"]
    assert base64.b64decode(str(client.secrets.get_secret("s", "k").value)) == b"hidden"
    client.secrets.delete_secret("s", "k")
    client.secrets.delete_scope("s")
    assert list(client.secrets.list_scopes()) == []


def notebook(key: str, after: str | None = None, **more: object) -> jobs.Task:
    return jobs.Task(
        task_key=key,
        notebook_task=jobs.NotebookTask(notebook_path=f"/Shared/{key}"),
        depends_on=[jobs.TaskDependency(task_key=after)] if after else None,
        **more,  # ty: ignore
    )


def ended(client: WorkspaceClient, run_id: int) -> jobs.Run:
    for _ in range(20):
        run = client.jobs.get_run(run_id)
        if run.status and run.status.state == jobs.RunLifecycleStateV2State.TERMINATED:
            return run
    raise AssertionError(run)


def test_jobs_are_created_changed_listed_and_deleted(client: WorkspaceClient) -> None:
    tasks = [notebook(f"t{n}") for n in range(150)]
    job_id = int(client.jobs.create(name="many", tasks=tasks).job_id or 0)

    job = client.jobs.get(job_id)
    assert job.settings is not None
    assert len(job.settings.tasks or []) == 150
    client.jobs.update(job_id, new_settings=jobs.JobSettings(name="renamed"))
    assert [each.job_id for each in client.jobs.list(name="Renamed")] == [job_id]
    client.jobs.reset(job_id, jobs.JobSettings(name="reset", tasks=[notebook("only")]))
    client.jobs.delete(job_id)
    with pytest.raises((InvalidParameterValue, NotFound)):
        client.jobs.get(job_id)


def test_a_run_goes_through_its_dag_and_is_repaired(
    fake: FakeWorkspace, client: WorkspaceClient
) -> None:
    tasks = [notebook("a"), notebook("b", "a", max_retries=1), notebook("c", "b")]
    always = notebook("always", "b", run_if=jobs.RunIf.ALL_DONE)
    job_id = int(client.jobs.create(name="dag", tasks=[*tasks, always]).job_id or 0)
    fake.jobs.outcome["b"] = "FAILED"
    run_id = client.jobs.run_now(job_id, idempotency_token="once").run_id
    again = client.jobs.run_now(job_id, idempotency_token="once").run_id

    run = ended(client, run_id)
    results = {t.task_key: t.state and t.state.result_state for t in run.tasks or []}
    assert run_id == again
    assert run.state is not None
    assert run.state.life_cycle_state == jobs.RunLifeCycleState.INTERNAL_ERROR
    assert results["b"] == jobs.RunResultState.FAILED
    assert results["c"] == jobs.RunResultState.UPSTREAM_FAILED
    assert results["always"] == jobs.RunResultState.SUCCESS
    with pytest.raises(InvalidParameterValue):
        client.jobs.get_run_output(run_id)

    del fake.jobs.outcome["b"]
    client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    repaired = ended(client, run_id)
    assert repaired.state is not None
    assert repaired.state.result_state == jobs.RunResultState.SUCCESS
    assert len(list(client.jobs.list_runs(job_id=job_id))) == 1


def test_runs_are_submitted_cancelled_skipped_and_have_outputs(
    fake: FakeWorkspace, client: WorkspaceClient
) -> None:
    fake.jobs.outputs["out"] = "42"
    submitted = client.jobs.submit(
        run_name="one", tasks=[jobs.SubmitTask(task_key="out",
                                               notebook_task=jobs.NotebookTask("/Shared/x"))]
    ).run_id  # fmt: skip
    run = ended(client, submitted)
    [task] = run.tasks or []
    output = client.jobs.get_run_output(int(task.run_id or 0))
    assert output.notebook_output is not None
    assert output.notebook_output.result == "42"

    job_id = int(client.jobs.create(name="single", tasks=[notebook("x")]).job_id or 0)
    first = client.jobs.run_now(job_id).run_id
    second = ended(client, client.jobs.run_now(job_id).run_id)
    client.jobs.cancel_run(first)
    cancelled = ended(client, first)
    assert second.state is not None
    assert second.state.life_cycle_state == jobs.RunLifeCycleState.SKIPPED
    assert cancelled.state is not None
    assert cancelled.state.result_state == jobs.RunResultState.CANCELED
    client.jobs.delete_run(first)


def entity(version: str) -> serving.ServedEntityInput:
    return serving.ServedEntityInput(
        entity_name="main.m.model", entity_version=version, workload_size="Small",
        scale_to_zero_enabled=True,
    )  # fmt: skip


def test_models_are_served_updated_and_asked(fake: FakeWorkspace, client: WorkspaceClient) -> None:
    config = serving.EndpointCoreConfigInput(name="e", served_entities=[entity("1")])
    endpoints = client.serving_endpoints
    endpoints.create("e", config=config)
    states = [endpoints.get("e").state for _ in range(2)]
    assert [s.ready for s in states if s] == [
        serving.EndpointStateReady.NOT_READY,
        serving.EndpointStateReady.READY,
    ]

    fake.serving.models["e"] = lambda body: {"predictions": [len(body["dataframe_records"])]}
    assert endpoints.query("e", dataframe_records=[{"x": 1}, {"x": 2}]).predictions == [2]
    endpoints.update_config("e", served_entities=[entity("2")])
    with pytest.raises(ResourceConflict):
        endpoints.update_config("e", served_entities=[entity("3")])
    endpoints.patch("e", add_tags=[serving.EndpointTag("tenant", "acme")])
    assert [each.name for each in endpoints.list()] == ["e"]
    assert endpoints.build_logs("e", "model-1").logs == "it was built"
    endpoints.delete("e")
    with pytest.raises(NotFound):
        endpoints.get("e")


def _first(name: str) -> serving.EndpointCoreConfigInput:
    return serving.EndpointCoreConfigInput(name=name, served_entities=[entity("1")])


def test_a_model_that_cannot_be_served_says_so_while_the_one_before_serves(
    fake: FakeWorkspace, client: WorkspaceClient
) -> None:
    endpoints = client.serving_endpoints
    endpoints.create("f", config=_first("f"))
    [endpoints.get("f") for _ in range(2)]
    fake.serving.will_fail.add("main.m.model-2")
    making = endpoints.update_config("f", served_entities=[entity("2")]).response
    failed = [endpoints.get("f") for _ in range(2)][-1]

    assert making.pending_config is not None
    assert failed.state is not None
    assert failed.state.config_update == serving.EndpointStateConfigUpdate.UPDATE_FAILED
    assert failed.state.ready == serving.EndpointStateReady.READY
    assert failed.config is not None
    [served] = failed.config.served_entities or []
    assert served.entity_version == "1"
    assert served.state is not None
    assert served.state.deployment == serving.ServedModelStateDeployment.DEPLOYMENT_READY
    assert "No module" in endpoints.build_logs("f", "main.m.model-2").logs

    fake.serving.unregistered.add("main.m.model")
    config = _first("g")
    with pytest.raises(NotFound):
        endpoints.create("g", config=config)
    with pytest.raises(InvalidParameterValue):
        endpoints.create("not a name", config=config)


def test_vectors_are_kept_and_found(client: WorkspaceClient) -> None:
    kind = vectorsearch.EndpointType.STANDARD
    client.vector_search_endpoints.create_endpoint("v", kind)
    found = [client.vector_search_endpoints.get_endpoint("v") for _ in range(2)]
    assert found[-1].endpoint_status is not None
    assert str(found[-1].endpoint_status.state).endswith("ONLINE")
    indexes, name = client.vector_search_indexes, "main.default.idx"
    column = vectorsearch.EmbeddingVectorColumn(name="v", embedding_dimension=2)
    spec = vectorsearch.DirectAccessVectorIndexSpec(
        embedding_vector_columns=[column],
        schema_json=json.dumps({"id": "integer", "town": "string", "v": "array<float>"}),
    )
    indexes.create_index(
        name, "v", "id", vectorsearch.VectorIndexType.DIRECT_ACCESS, direct_access_index_spec=spec
    )
    with pytest.raises(BadRequest, match="not ready"):
        indexes.scan_index(name, num_results=10)
    while not indexes.get_index(name).as_dict()["status"]["ready"]:
        continue
    rows = [{"id": n, "town": f"town {n % 2}", "v": [n, 0.0]} for n in range(4)]
    done = indexes.upsert_data_vector_index(name, json.dumps(rows))
    answer = indexes.query_index(
        name, ["id", "town"], query_vector=[2.2, 0.0], num_results=2,
        filters_json=json.dumps({"town": "town 0"}),
    )  # fmt: skip

    assert done.status == vectorsearch.UpsertDataStatus.SUCCESS
    assert answer.result is not None
    assert [row[0] for row in answer.result.data_array or []] == [2, 0]
    indexes.delete_data_vector_index(name, ["2"])
    assert len(indexes.scan_index(name, num_results=10).data or []) == 3
    assert [each.name for each in indexes.list_indexes("v")] == [name]
    assert indexes.get_index(name).index_type == vectorsearch.VectorIndexType.DIRECT_ACCESS
    indexes.delete_index(name)
    with pytest.raises(BadRequest, match="pending deletion"):
        indexes.create_index(
            name, "v", "id", vectorsearch.VectorIndexType.DIRECT_ACCESS,
            direct_access_index_spec=spec,
        )  # fmt: skip
    client.vector_search_endpoints.delete_endpoint("v")
