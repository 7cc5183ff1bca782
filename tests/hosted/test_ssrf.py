"""No address that a caller gives leads this server into its own network."""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from mcp.client import Client

from servicetsunami.app import open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.errors import (
    Denied,
    InvalidInput,
    LimitExceeded,
    RemoteUnavailable,
    TimedOut,
)
from servicetsunami.gateway.addresses import is_public, may_be_own
from servicetsunami.gateway.fetching import Fetcher, FetchLimits, Resolve, resolve
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.hosted.file_server import (
    Authority,
    Canary,
    FileServer,
    content,
    endless,
    redirect,
    serving,
    silent,
)
from tests.server.asking import ask, call, failure

CSV = b"n,word\n1,one\n2,two\n"

# PORT is the canary's. Each leads to it, to another private place, or pretends to lead elsewhere.
ADDRESSES = (
    "https://127.0.0.1:PORT/",
    "https://127.0.0.1.:PORT/",
    "https://127.1:PORT/",
    "https://127.0.1:PORT/",
    "https://127.255.255.254:PORT/",
    "https://2130706433:PORT/",
    "https://0x7f000001:PORT/",
    "https://0x7f.0.0.1:PORT/",
    "https://017700000001:PORT/",
    "https://0177.0.0.1:PORT/",
    "https://0177.0.0.0x1:PORT/",
    "https://0:PORT/",
    "https://0.0.0.0:PORT/",
    "https://localhost:PORT/",
    "https://localhost.:PORT/",
    "https://LOCALHOST:PORT/",
    "https://localhost.localdomain:PORT/",
    "https://[::1]:PORT/",
    "https://[0:0:0:0:0:0:0:1]:PORT/",
    "https://[::]:PORT/",
    "https://[::ffff:127.0.0.1]:PORT/",
    "https://[::ffff:7f00:1]:PORT/",
    "https://[::127.0.0.1]:PORT/",
    "https://[64:ff9b::127.0.0.1]:PORT/",
    "https://[64:ff9b:1::7f00:1]:PORT/",
    "https://[2002:7f00:1::1]:PORT/",
    "https://[2001:0:7f00:1::80ff:fffe]:PORT/",
    "https://[fe80::1]:PORT/",
    "https://[fe80::1%25lo]:PORT/",
    "https://[fc00::1]:PORT/",
    "https://[fd00:ec2::254]:PORT/latest/meta-data/",
    "https://[ff02::1]:PORT/",
    "https://[2001:db8::1]:PORT/",
    "https://10.0.0.1:PORT/",
    "https://172.16.0.1:PORT/",
    "https://192.168.1.1:PORT/",
    "https://169.254.169.254/latest/meta-data/iam/",
    "https://2852039166/latest/meta-data/",
    "https://0xa9fea9fe/latest/meta-data/",
    "https://169.254.170.2/v2/credentials",
    "https://100.64.0.1:PORT/",
    "https://100.100.100.200/latest/meta-data/",
    "https://168.63.129.16/machine",
    "https://192.0.0.192/opc/v2/",
    "https://192.0.2.1:PORT/",
    "https://192.88.99.1:PORT/",
    "https://198.18.0.1:PORT/",
    "https://203.0.113.1:PORT/",
    "https://224.0.0.1:PORT/",
    "https://240.0.0.1:PORT/",
    "https://255.255.255.255:PORT/",
    "https://①②⑦.⓪.⓪.①:PORT/",
    "https://127。0。0。1:PORT/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    "https://example.com@127.0.0.1:PORT/",
    "https://example.com:x@127.0.0.1:PORT/",
    "https://127.0.0.1:PORT@example.invalid/",
    "https://127.0.0.1:PORT#@example.com/",
    "https://127.0.0.1:PORT\\@example.com/",
    "https://example.com\\@127.0.0.1:PORT/",
    "https://127.0.0.1%00.example.com:PORT/",
    "https://127.0.0.1\t:PORT/",
    "https://127.0.0.1\n:PORT/",
    " https://127.0.0.1:PORT/",
    "https:///127.0.0.1:PORT/",
    "https:127.0.0.1:PORT/",
    "https:/\\127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "http://127.0.0.1:PORT/",
    "HTTPS://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_GET",
    "ftp://127.0.0.1:PORT/a.csv",
    "dict://127.0.0.1:PORT/stat",
    "https://127.0.0.1:22/",
    "https://[::1/",
    "https://",
)


def fetcher(
    folder: Path,
    *,
    origins: Sequence[str] = (),
    hosts: Sequence[str] = ("*",),
    ports: Sequence[int] = (443,),
    bytes_max: int = 2**20,
    timeout_s: float = 20.0,
    ca_file: Path | None = None,
    resolve: Resolve = resolve,
) -> Fetcher:
    limits = FetchLimits(
        hosts=hosts, origins=origins, bytes_max=bytes_max, timeout_s=timeout_s, ports=ports
    )
    return Fetcher(limits, temp_dir=folder / "temp", ca_file=ca_file, resolve=resolve)


async def fetched(fetcher: Fetcher, address: str) -> bytes:
    async with fetcher.fetched(address) as path:
        return path.read_bytes()


def naming(*addresses: str) -> Resolve:
    """A directory of names that gives every name these addresses."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.fixture
def canary() -> Iterator[Canary]:
    bird = Canary()
    yield bird
    bird.close()


@pytest.mark.slow
async def test_no_address_reaches_the_canary(tmp_path: Path, canary: Canary) -> None:
    assert len(ADDRESSES) > 60
    asking = fetcher(tmp_path, ports=(443, canary.port))
    for address in ADDRESSES:
        with pytest.raises((Denied, InvalidInput)):
            await fetched(asking, address.replace("PORT", str(canary.port)))
    assert canary.hits == 0
    # It would have noticed.
    with pytest.raises(RemoteUnavailable):
        await fetched(
            fetcher(tmp_path, origins=[f"https://127.0.0.1:{canary.port}"]),
            f"https://127.0.0.1:{canary.port}/",
        )
    assert canary.hits == 1


@pytest.mark.slow
async def test_no_address_reaches_it_through_the_tool_either(
    tmp_path: Path, canary: Canary, zygote: Zygote
) -> None:
    settings = Settings(data_dir=tmp_path)
    async with (
        open_app(settings, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        for address in ADDRESSES:
            source = address.replace("PORT", str(canary.port))
            await failure(client, "ingest_dataset", source=source)
    assert canary.hits == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["2606:2800:220:1:248:1893:25c8:1946", "::1"],
        ["::ffff:10.0.0.1"],
        ["169.254.169.254"],
        ["fe80::1%eth0"],
        [],
    ],
    ids=str,
)
async def test_a_name_is_judged_by_all_of_its_addresses(
    tmp_path: Path, canary: Canary, addresses: list[str]
) -> None:
    asking = fetcher(tmp_path, ports=(canary.port,), resolve=naming(*addresses))
    with pytest.raises(Denied, match="is not the name of a host with public addresses"):
        await fetched(asking, f"https://files.example.com:{canary.port}/a.csv")
    assert canary.hits == 0


async def test_a_refusal_does_not_tell_what_is_there(tmp_path: Path, canary: Canary) -> None:
    told = set()
    asking = fetcher(tmp_path, ports=(canary.port, 1))
    for host, port in (
        ("127.0.0.1", canary.port),
        ("127.0.0.1", 1),
        ("10.1.2.3", canary.port),
        ("no-such-host.invalid", canary.port),
    ):
        with pytest.raises(Denied) as refused:
            await fetched(asking, f"https://{host}:{port}/")
        told.add(str(refused.value).replace(host, "HOST"))
    assert len(told) == 1


async def test_hosts_can_be_limited(tmp_path: Path) -> None:
    asking = fetcher(tmp_path, hosts=["*.example.com"], resolve=naming("127.0.0.1"))
    for host in ("evil.com", "example.com", "notexample.com", "a.example.com.evil.com"):
        with pytest.raises(Denied, match="does not fetch from"):
            await fetched(asking, f"https://{host}/")
    with pytest.raises(Denied, match="public addresses"):
        await fetched(asking, "https://a.EXAMPLE.com./")
    with pytest.raises(Denied, match="does not fetch from"):
        await fetched(fetcher(tmp_path, hosts=[]), "https://example.com/")


def test_addresses_that_are_public_are() -> None:
    for address in ("8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::200e"):
        assert is_public(address)
    for address in ("10.0.0.1", "127.0.0.1", "::1", "fd12::1", "8.8.8.8"):
        assert may_be_own(address)
    for address in ("169.254.169.254", "fe80::1", "0.0.0.0", "fd00:ec2::254", "::ffff:0:1", "x"):
        assert not may_be_own(address), address


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def files(tmp_path: Path, authority: Authority, canary: Canary) -> Iterator[FileServer]:
    hops = {f"/hop{n}": redirect(f"/hop{n + 1}") for n in range(1, 6)}
    answers = {
        "/data/orders.csv": content(CSV),
        "/orders.csv.gz": content(gzip.compress(CSV), "application/gzip"),
        "/page": content(b"<html>Sign in</html>", "text/html; charset=utf-8"),
        "/missing": content(b"", status=404),
        "/endless": endless,
        "/silent": silent,
        "/long": content(b"0" * (2**20 + 1)),
        "/moved": redirect("/data/orders.csv"),
        "/hop6": content(CSV),
        "/canary": redirect(f"https://127.0.0.1:{canary.port}/"),
        "/canary-name": redirect(f"//localhost:{canary.port}/"),
        "/canary-http": redirect(f"http://127.0.0.1:{canary.port}/"),
        "/metadata": redirect("http://169.254.169.254/latest/meta-data/"),
        "/passwd": redirect("file:///etc/passwd"),
        "/with-password": redirect("https://a:b@files.example.lan/"),
        **hops,
    }
    with serving(answers, authority.context(tmp_path, "files.example.lan", "localhost")) as server:
        yield server


def own(tmp_path: Path, files: FileServer, authority: Authority, **more) -> tuple[Fetcher, str]:
    origin = f"https://files.example.lan:{files.server_port}"
    made = fetcher(
        tmp_path,
        origins=[origin],
        ca_file=authority.file,
        resolve=naming("127.0.0.1"),
        **more,
    )
    return made, origin


async def test_a_host_that_is_named_is_asked_by_its_name_at_the_address_that_was_judged(
    tmp_path: Path, files: FileServer, authority: Authority
) -> None:
    asking, origin = own(tmp_path, files, authority)
    async with asking.fetched(f"{origin}/data/orders.csv?sig=abc#part") as path:
        assert path.read_bytes() == CSV
        assert path.name == "orders.csv"
    assert not path.exists()
    assert list((tmp_path / "temp").iterdir()) == []
    assert files.hosts == [f"files.example.lan:{files.server_port}"]
    assert files.names == ["files.example.lan"]


async def test_redirects_are_followed_and_each_is_judged(
    tmp_path: Path, files: FileServer, authority: Authority, canary: Canary
) -> None:
    asking, origin = own(tmp_path, files, authority)
    assert await fetched(asking, f"{origin}/moved") == CSV
    assert await fetched(asking, f"{origin}/hop1") == CSV
    files.answers["/hop0"] = redirect("/hop1")
    with pytest.raises(InvalidInput, match="more than 5 times"):
        await fetched(asking, f"{origin}/hop0")
    ways = ("canary", "canary-name", "canary-http", "metadata", "passwd", "with-password")
    for way in ways:
        with pytest.raises((Denied, InvalidInput)):
            await fetched(asking, f"{origin}/{way}")
    assert canary.hits == 0


BAD = {
    "/page": (InvalidInput, "a web page"),
    "/missing": (InvalidInput, "answered 404"),
    "/long": (LimitExceeded, "longer than 1 MiB"),
    "/endless": (LimitExceeded, "longer than 1 MiB"),
}


@pytest.mark.slow
@pytest.mark.parametrize("path", BAD)
async def test_what_is_no_file_or_too_long_is_refused(
    tmp_path: Path, files: FileServer, authority: Authority, path: str
) -> None:
    asking, origin = own(tmp_path, files, authority)
    kind, words = BAD[path]
    with pytest.raises(kind, match=words):
        await fetched(asking, origin + path)
    assert list((tmp_path / "temp").iterdir()) == []


async def test_a_server_that_does_not_go_on_is_left(
    tmp_path: Path, files: FileServer, authority: Authority
) -> None:
    asking, origin = own(tmp_path, files, authority, timeout_s=1.0)
    with pytest.raises(TimedOut, match="more than 1 s"):
        await fetched(asking, f"{origin}/silent")


async def test_certificates_are_checked_for_the_name(
    tmp_path: Path, files: FileServer, authority: Authority
) -> None:
    strange = f"https://other.example.lan:{files.server_port}"
    unknown = f"https://localhost:{files.server_port}"
    for origin, ca_file in ((strange, authority.file), (unknown, None)):
        asking = fetcher(tmp_path, origins=[origin], ca_file=ca_file, resolve=naming("127.0.0.1"))
        with pytest.raises(RemoteUnavailable, match="certificate is not to be trusted"):
            await fetched(asking, f"{origin}/data/orders.csv")
    assert files.hosts == []


async def test_the_proxy_of_the_environment_is_not_asked(
    tmp_path: Path,
    files: FileServer,
    authority: Authority,
    canary: Canary,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    asking, origin = own(tmp_path, files, authority)
    assert await fetched(asking, f"{origin}/data/orders.csv") == CSV
    assert canary.hits == 0


async def test_a_file_of_a_named_host_becomes_a_dataset(
    tmp_path: Path, files: FileServer, authority: Authority, zygote: Zygote
) -> None:
    origin = f"https://localhost:{files.server_port}"
    settings = Settings(
        data_dir=tmp_path / "data",
        fetch_origins=(origin,),
        fetch_ca_file=authority.file,
    )
    async with (
        open_app(settings, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        done = await call(client, "ingest_dataset", source=f"{origin}/data/orders.csv?sig=secret")
        assert (done["name"], done["rows_written"]) == ("default.orders", 2)
        assert await ask(client, "SELECT word FROM orders ORDER BY n") == [["one"], ["two"]]
        described = await call(client, "describe_asset", name="orders")
        assert described["origin"] == f"{origin}/data/orders.csv"
        await call(client, "ingest_dataset", source=f"{origin}/orders.csv.gz", name="packed")
        assert await ask(client, "SELECT count(*) FROM packed") == [[2]]
        told = await failure(client, "ingest_dataset", source=f"{origin}/missing", name="x")
        assert "answered 404" in told
