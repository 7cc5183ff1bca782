"""What holds for every route: a credential, a scope, an operation, a documented way to fail."""

import re
from urllib.parse import quote

import pytest

from servicetsunami.domain.caller import Scope
from servicetsunami.transport.problems import STATUSES
from tests.hosted.issuing import Issuer
from tests.hosted.serving import HttpServer, http_server
from tests.rest.asking import CONNECTOR, NATIVE, ok, operations, problem, store
from tests.rest.conftest import Speaker

NOUNS = {
    NATIVE: ("databricks", "datasets", "notebooks", "pipelines", "runs"),
    CONNECTOR: (
        "catalogs",
        "datasets",
        "notebooks",
        "jobs",
        "serving",
        "vector-search",
        "runs",
    ),
}
DOCUMENTS = ("/openapi.json", "/docs", "/docs/page.js", "/docs/page.css")


def filled(path: str) -> str:
    return re.sub(r"\{\w+\}", "anything", path)


def test_every_route_asks_for_a_credential(server: HttpServer, speak: Speaker) -> None:
    walked = [(method, filled(path)) for method, path, _ in operations(speak("acme"))]
    walked += [("GET", path) for path in DOCUMENTS]
    assert len(walked) > 80
    with server.client() as nobody:
        for method, path in walked:
            told = problem(nobody.request(method, path), 401, "Unauthenticated")
            assert told["error"] == "invalid_token"
            assert "credential" in told["error_description"]


def test_every_noun_is_there_under_its_prefix(speak: Speaker) -> None:
    paths = {path for _, path, _ in operations(speak("acme"))}
    for prefix, nouns in NOUNS.items():
        found = {
            path.removeprefix(prefix).split("/")[1] for path in paths if path.startswith(prefix)
        }
        assert found == set(nouns)


@pytest.mark.slow
@pytest.mark.parametrize("scope", Scope)
def test_a_route_beyond_the_scope_is_refused_before_anything_is_read(
    speak: Speaker, scope: Scope
) -> None:
    client = speak("acme", scope=scope.value)
    for method, path, operation in operations(client):
        answer = client.request(method, filled(path), json={"names": ["x"]})
        if operation["x-scope"] != scope.value:
            told = problem(answer, 403, "Denied")
            assert operation["x-scope"] in told["what"]
        else:
            assert answer.status_code != 403, f"{method} {path}"


def test_every_operation_says_how_it_fails(speak: Speaker) -> None:
    document = ok(speak("acme").get("/openapi.json"))
    errors = document["components"]["responses"]
    names = set()
    for _, _, operation in operations(speak("acme")):
        names.add(operation["operationId"])
        told = {each for each in operation["responses"] if not each.startswith("2")}
        assert {"400", "401", "403", "404", "409", "413", "422", "429", "500", "503"} <= told
        assert operation["description"]
    assert len(names) == len(list(operations(speak("acme"))))
    examples = {}
    for error in errors.values():
        [content] = error["content"].values()
        assert content["examples"]
        examples |= content["examples"]
    for kind, example in examples.items():
        assert example["value"]["type"] == f"/docs#{kind}"
        assert example["value"]["next_step"]
    kinds = {kind.__name__ for kind in STATUSES}
    assert set(examples) == kinds | {"InternalError", "NoSuchRoute", "RemotePending"}


@pytest.mark.slow
def test_a_read_only_server_refuses_what_writes(
    issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("read-only")
    settings = issuer.settings(folder) | {"SERVICETSUNAMI_READ_ONLY": "true"}
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    with (
        http_server(folder, **settings) as running,
        running.client(headers=headers) as client,
    ):
        for method, path, operation in operations(client):
            answer = client.request(method, filled(path), json={"names": ["x"]})
            if operation["x-scope"] == "lake:read":
                assert answer.status_code != 403, f"{method} {path}"
            else:
                assert "read-only" in problem(answer, 403, "Denied")["what"]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/api/v1/nothing", 404, None),
        ("GET", "/api/v1/datasets/", 404, None),
        ("GET", "/api/v1/datasets/a/b/c", 404, None),
        ("PATCH", "/api/v1/datasets", 405, "GET, POST"),
        ("DELETE", "/api/v1/datasets/ingest", 405, "POST"),
        ("POST", "/api/v1/datasets/anything", 405, "GET, DELETE, PUT"),
    ],
)
def test_what_is_not_there_is_told_as_a_problem(
    speak: Speaker, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = speak("acme").request(method, path)

    problem(answer, status, "NoSuchRoute")
    assert answer.headers.get("allow") == allow


@pytest.mark.parametrize("name", ["reports/daily", "a b/\u00fc", "100%25", "runs", "batch"])
def test_a_name_in_an_address_may_hold_whatever_a_name_may(speak: Speaker, name: str) -> None:
    """A slash is written as %2F, by hand and by the clients that are made from the document."""
    client = speak("names")
    path = f"{NATIVE}/pipelines/{quote(name, safe='')}"
    task = {"task_key": "t", "sql_task": {"statement": "SELECT 1"}}

    assert ok(client.put(path, json={"tasks": [task]}))["name"] == name
    assert ok(client.get(path))["name"] == name
    assert ok(client.get(f"{path}/runs"))["runs"] == []
    assert ok(client.delete(path))["name"] == name


def test_arguments_that_do_not_fit_are_named_without_their_values(speak: Speaker) -> None:
    client = speak("acme")
    secret = {"sql": 7, "max_rows": 4711, "other": "x"}
    told = problem(client.post(f"{NATIVE}/datasets/query", json=secret), 400, "InvalidArguments")
    assert {each["field"] for each in told["faults"]} == {
        "body.sql",
        "body.max_rows",
        "body.other",
    }
    assert "4711" not in str(told)
    for body in (b"{", b"\xff", b"[" * 50_000, b'"x"'):
        headers = {"content-type": "application/json"}
        answer = client.post(f"{NATIVE}/datasets/query", content=body, headers=headers)
        problem(answer, 400, "InvalidArguments")


def test_the_document_has_the_bounds_that_arguments_have(speak: Speaker) -> None:
    client = speak("acme")
    schemas = ok(client.get("/openapi.json"))["components"]["schemas"]
    revision, _ = schemas["NewNotebook"]["properties"]["base_revision"]["anyOf"]
    assert revision == {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
    rows = schemas["Statement"]["properties"]["max_rows"]
    assert (rows["minimum"], rows["maximum"]) == (1, 1000)

    text = {"name": "n", "content": "x = 1"}
    for given, kind in ((-1, "InvalidArguments"), (2**31, "InvalidArguments"), (7.0, "Conflict")):
        answer = client.post(f"{NATIVE}/notebooks", json=text | {"base_revision": given})
        problem(answer, 409 if kind == "Conflict" else 400, kind)


def test_a_body_beyond_the_limit_is_refused(speak: Speaker) -> None:
    client = speak("acme")
    long = b"x" * (2**20 + 1)
    for content in (long, iter([long])):
        headers = {"content-type": "application/json"}
        answer = client.post(f"{NATIVE}/datasets", content=content, headers=headers)
        assert "SERVICETSUNAMI_HTTP_BODY_MB" in problem(answer, 413, "BodyTooLarge")["next_step"]


@pytest.mark.slow
def test_too_many_calls_are_told_when_to_come_again(
    issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("limited")
    settings = issuer.settings(folder) | {"SERVICETSUNAMI_CALLS_PER_MINUTE": "2"}
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    with (
        http_server(folder, **settings) as running,
        running.client(headers=headers) as client,
    ):
        for _ in range(2):
            ok(client.get(f"{NATIVE}/databricks/usage"))
        answer = client.get(f"{NATIVE}/databricks/usage")
        problem(answer, 429, "TooManyCalls")
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        # Each item of a batch counts.
        told = ok(client.post(f"{NATIVE}/datasets/batch/get", json={"names": ["x"]}))
        assert told["items"][0]["status"] == 429


def test_both_prefixes_are_ways_to_the_same_things(speak: Speaker) -> None:
    client = speak("both")
    store(client, "shared", [{"a": 1}])
    task = {"task_key": "t", "sql_task": {"statement": "SELECT 1"}}
    ok(client.post(f"{NATIVE}/pipelines", json={"name": "one", "tasks": [task]}))

    native = ok(client.get(f"{NATIVE}/pipelines/one"))
    assert ok(client.get(f"{CONNECTOR}/jobs/one")) == native
    listed = ok(client.get(f"{CONNECTOR}/datasets"))
    assert [each["name"] for each in listed["assets"]] == ["default.shared"]


def test_the_pages_load_nothing_from_elsewhere(speak: Speaker) -> None:
    client = speak("acme")
    for path in DOCUMENTS[1:]:
        page = client.get(path)
        assert page.status_code == 200
        assert not re.search(r"https?://", page.text)
        assert "default-src 'self'" in page.headers["content-security-policy"]
