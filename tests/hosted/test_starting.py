"""What a server refuses to start with, where its keys come from, and what an operator types."""

import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from pydantic import SecretStr
from starlette.datastructures import Headers
from typer.testing import CliRunner

from servicetsunami.app import hosting, open_app
from servicetsunami.cli.commands import app as commands
from servicetsunami.errors import ConfigurationError, Unauthenticated
from servicetsunami.settings import Settings
from tests.hosted.issuing import AUDIENCE, ISSUER, Issuer, claims_of
from tests.hosted.serving import http_server
from tests.warm import run

SECRET = SecretStr("x" * 32)
NAMED: dict[str, Any] = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"http_host": "0.0.0.0"}, "anybody there could use it"),
        ({"http_host": "192.168.1.2"}, "anybody there could use it"),
        ({"http_host": "lake.example.com"}, "anybody there could use it"),
        ({"http_host": "::"}, "anybody there could use it"),
        ({"http_host": "0.0.0.0", "auth": True}, "under any name"),
        ({"http_workers": 2}, "which of them a request is for"),
        ({"jwt_secret": SECRET, "http_workers": 2}, "any issuer"),
        ({"auth": True, "databricks_readable_catalogs": ("*",)}, "others' catalogs"),
        (
            {"auth": True, "databricks_readable_catalogs": ("samples", "servicetsunami_acme")},
            "has servicetsunami_acme, so that",
        ),
    ],
)
def test_settings_that_let_in_whom_nobody_wants_are_refused(
    given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        hosting.check_hosting(Settings(data_dir=tmp_path, **given))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"http_host": "localhost"},
        {"http_host": "::1"},
        {"http_host": "127.0.0.2"},
        {"databricks_readable_catalogs": ("*",)},
        {"http_host": "0.0.0.0", "auth": True, "http_allowed_hosts": ("lake.example.com",)},
        {
            "http_host": "::",
            "jwt_secret": SECRET,
            "http_allowed_hosts": ("lake.example.com",),
            **NAMED,
        },
        {"auth": True, "http_workers": 2},
        {"auth": True, "databricks_readable_catalogs": ("samples",)},
    ],
)
def test_other_settings_are_taken(given: dict[str, Any], tmp_path: Path) -> None:
    hosting.check_hosting(Settings(data_dir=tmp_path, **given))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"jwt_secret": SECRET}, "JWT_ISSUER"),
        ({"jwt_secret": SECRET, "jwt_issuer": ISSUER}, "JWT_AUDIENCE"),
        ({"jwt_secret": SecretStr("x" * 31), **NAMED}, "less than 32 bytes"),
        ({"jwt_secret": SECRET, "jwt_keys": "keys.json", **NAMED}, "both with a secret"),
        ({"jwt_keys": "http://id.example.com/keys", **NAMED}, "anybody could change"),
        ({"jwt_keys": "ftp://id.example.com/keys", **NAMED}, "anybody could change"),
    ],
)
async def test_tokens_that_would_prove_nothing_are_refused_at_the_start(
    given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, **given)
    async with open_app(settings, is_hosted=True) as app:
        with pytest.raises(ConfigurationError, match=said):
            hosting.authenticator(app, hosting.identities(settings, app))


async def test_without_credentials_there_is_nothing_to_check(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with open_app(settings, is_hosted=True) as app:
        assert hosting.authenticator(app, hosting.identities(settings, app)) is None


async def test_a_caller_has_the_catalog_and_the_databricks_of_its_tenant(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        jwt_secret=SECRET,
        tenants_on_first_use=True,
        databricks_enabled=True,
        databricks_host="http://127.0.0.1:1",
        databricks_enabled_tenants=("acme",),
        databricks_readable_catalogs=("samples",),
        jwt_tenant_claim="org.id",
        **NAMED,
    )
    async with open_app(settings, is_hosted=True) as app:
        here = hosting.authenticator(app, hosting.identities(settings, app))
        assert here is not None
        callers = []
        for tenant in ("acme", "other"):
            token = jwt.encode(claims_of(tenant), SECRET.get_secret_value())
            user = await here.user(Headers({"Authorization": f"Bearer {token}"}))
            callers.append(user.caller)
        with pytest.raises(Unauthenticated):
            await here.user(Headers({"Authorization": "Bearer nothing"}))

    assert [each.catalog for each in callers] == ["servicetsunami_acme", "servicetsunami_other"]
    assert [each.has_databricks for each in callers] == [True, False]
    assert [each.catalogs for each in callers] == [frozenset({"samples"})] * 2


class _Keys(BaseHTTPRequestHandler):
    def __init__(self, answers: dict[str, tuple[int, bytes]], *args: Any) -> None:
        self._answers = answers
        super().__init__(*args)

    def do_GET(self) -> None:
        status, text = self._answers.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Location", "/keys")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def keys_at(answers: dict[str, tuple[int, bytes]]) -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Keys, answers)) as http:
        thread = Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


async def sign_in(tmp_path: Path, where: str, token: str) -> str:
    """Whose token it is, by the keys of that place."""
    settings = Settings(
        data_dir=tmp_path,
        jwt_keys=where,
        jwt_tenant_claim="org.id",
        tenants_on_first_use=True,
        **NAMED,
    )
    async with open_app(settings, is_hosted=True) as app:
        here = hosting.authenticator(app, hosting.identities(settings, app))
        assert here is not None
        return (await here.user(Headers({"Authorization": f"Bearer {token}"}))).caller.tenant


async def test_keys_come_from_an_address_or_a_file(tmp_path: Path, issuer: Issuer) -> None:
    file = tmp_path / "keys.json"
    issuer.publish(file)
    with keys_at({"/keys": (200, file.read_bytes())}) as url:
        assert await sign_in(tmp_path, f"{url}/keys", issuer.token()) == "acme"
    assert await sign_in(tmp_path, str(file), issuer.token()) == "acme"


async def test_keys_that_cannot_be_had_are_nobodys_fault(
    tmp_path: Path, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys.json"
    issuer.publish(file)
    good = file.read_bytes()
    answers = {
        "/keys": (200, good),
        "/down": (500, b""),
        "/long": (200, b" " * 2**21 + good),
        # A redirect could lead anywhere, also to where only this machine may look.
        "/elsewhere": (302, b""),
    }
    with keys_at(answers) as url:
        for path in ("/down", "/long", "/elsewhere", "/nothing"):
            with pytest.raises(Exception, match="could not be looked up"):
                await sign_in(tmp_path, url + path, issuer.token())
    with pytest.raises(Exception, match="could not be looked up"):
        await sign_in(tmp_path, str(tmp_path / "nothing"), issuer.token())
    assert caplog.text.count("the keys for tokens could not be looked up") == 5


def type_token(tmp_path: Path, *words: str) -> tuple[int, str]:
    typed = CliRunner().invoke(commands, ["--data-dir", str(tmp_path), "token", *words])
    return typed.exit_code, typed.stdout


def test_an_operator_makes_lists_and_revokes_keys(tmp_path: Path) -> None:
    assert "There are no keys" in type_token(tmp_path, "list")[1]
    code, made = type_token(
        tmp_path, "create", "--tenant", "acme", "--name", "ci", "--scope", "lake:run", "--json"
    )
    assert code == 0
    key = json.loads(made)
    assert key["key"].startswith("st_")
    assert key["scopes"] == ["lake:run"]
    type_token(tmp_path, "create", "--tenant", "other", "--name", "read")

    listed = type_token(tmp_path, "list", "--tenant", "acme")[1]
    assert "lake:run" in listed
    assert key["key"] not in listed
    assert len(json.loads(type_token(tmp_path, "list", "--json")[1])) == 2

    assert type_token(tmp_path, "revoke", key["id"])[0] == 0
    assert "revoked" in type_token(tmp_path, "list", "--tenant", "acme")[1]


@pytest.mark.parametrize(
    "words",
    [
        ("create", "--tenant", "../x", "--name", "ci"),
        ("create", "--tenant", "x", "--name", "ci", "--scope", "all"),
        ("create", "--tenant", "x", "--name", "ci", "--days", "0"),
        ("revoke", "nothing"),
        ("tenant", "A"),
    ],
)
def test_what_makes_no_sense_is_refused_without_a_traceback(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert type_token(tmp_path, *words)[0] == 2


@pytest.mark.slow
def test_a_revoked_key_is_refused_at_once_by_a_running_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = json.loads(type_token(data, "create", "--tenant", "acme", "--name", "ci", "--json")[1])
    with (
        http_server(tmp_path, SERVICETSUNAMI_AUTH="true") as server,
        server.client(headers={"X-API-Key": key["key"]}) as http,
    ):
        assert http.post("/mcp", json={}).status_code != 401
        assert type_token(data, "revoke", key["id"])[0] == 0
        assert http.post("/mcp", json={}).status_code == 401


@pytest.mark.slow
def test_a_tenant_is_served_once_it_has_been_added(tmp_path: Path, issuer: Issuer) -> None:
    trusting = issuer.settings(tmp_path) | {"SERVICETSUNAMI_TENANTS_ON_FIRST_USE": "false"}
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    with (
        http_server(tmp_path, **trusting) as server,
        server.client(headers=headers) as http,
    ):
        refused = http.post("/mcp", json={})
        assert refused.status_code == 403
        assert refused.json()["error"]["data"] == {"error": "access_denied"}
        assert type_token(tmp_path / "data", "tenant", "acme")[0] == 0
        assert http.post("/mcp", json={}).status_code not in {401, 403}


def serve_http(tmp_path: Path, *options: str) -> tuple[int, str]:
    """Start a server that must not come up: its exit code, and what it says."""
    settings = {**os.environ, "SERVICETSUNAMI_DATA_DIR": str(tmp_path)}
    ended = run("serve", "--http", *options, env=settings, timeout=60)
    return ended.returncode, ended.stderr


@pytest.mark.slow
def test_a_server_that_anybody_could_use_does_not_start(tmp_path: Path) -> None:
    code, said = serve_http(tmp_path, "--host", "0.0.0.0")

    assert code == 2
    assert "anybody there could use it" in said


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_that_is_taken_is_told_without_a_traceback(tmp_path: Path, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as taken:
        port = str(taken.getsockname()[1])
        code, said = serve_http(tmp_path, "--host", host, "--port", port)

    assert code == 2
    assert f"cannot listen on {host}, port {port}" in said
    assert "Traceback" not in said
