"""The configuration of a workspace, from settings and from the file of Databricks' own tools."""

from pathlib import Path

import httpx
import pytest

from servicetsunami.errors import ConfigurationError
from servicetsunami.gateway.config import Given, normal_host, resolve
from servicetsunami.gateway.credentials import SdkCredentials, Token, credentials_of

FILE = """
[DEFAULT]
host = https://default.example.com/
token = dapi-default

[work]
host = work.example.com:443
client_id = id
client_secret = secret%1
warehouse_id = w1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "databrickscfg"
    path.write_text(FILE)
    return path


def config(**given: object):
    return resolve(Given(**given), requests_per_s=10, user_agent="test")  # ty: ignore


def test_a_profile_fills_in_and_what_is_set_wins(file: Path) -> None:
    default = config(config_file=file)
    work = config(config_file=file, profile="work", warehouse_id="w2")
    mine = config(host="mine.example.com", token="t", config_file=file)

    assert (default.host, default.token) == ("https://default.example.com", "dapi-default")
    assert (work.host, work.auth_type) == ("https://work.example.com", "oauth-m2m")
    assert (work.client_secret, work.warehouse_id) == ("secret%1", "w2")
    assert (mine.host, mine.token, mine.auth_type) == ("https://mine.example.com", "t", "pat")


def test_secrets_are_not_shown() -> None:
    shown = repr(config(host="h", token="dapi-1", client_secret="dose-1"))

    assert "dapi-1" not in shown
    assert "dose-1" not in shown


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "No host"),
        ({"host": "h"}, "no credentials"),
        ({"host": "ftp://x", "token": "t"}, "not the address"),
        ({"profile": "nope"}, "work"),
    ],
)
def test_what_is_missing_is_named(file: Path, given: dict, words: str) -> None:
    more = {"config_file": file} if "profile" in given else {}
    with pytest.raises(ConfigurationError, match=words):
        config(**given, **more)


def test_a_file_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        config(config_file=tmp_path / "none")
    broken = tmp_path / "broken"
    broken.write_text("host = no section")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        config(config_file=broken)


def test_hosts_are_written_in_one_way() -> None:
    hosts = ("a.b", "https://a.b/", "https://a.b:443", "a.b/path?o=1")
    assert {normal_host(each) for each in hosts} == {"https://a.b"}
    assert normal_host("http://127.0.0.1:8080") == "http://127.0.0.1:8080"


@pytest.mark.slow
async def test_the_sdk_signs_in_where_we_do_not() -> None:
    given = config(host="http://127.0.0.1:1", token="t", auth_type="pat")
    assert isinstance(credentials_of(given, httpx.AsyncClient()), Token)

    sdk = SdkCredentials(given)
    assert await sdk.headers() == {"Authorization": "Bearer t"}
    assert sdk.renew()


@pytest.mark.slow
async def test_an_auth_type_that_nobody_knows_is_a_matter_of_configuration() -> None:
    given = config(host="http://127.0.0.1:1", auth_type="nonsense")
    credentials = credentials_of(given, httpx.AsyncClient())
    assert isinstance(credentials, SdkCredentials)
    with pytest.raises(ConfigurationError, match="nonsense"):
        await credentials.headers()
