"""Keys, tokens and tenants, without a server around them: each reason to let somebody in or not."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from jwt.algorithms import RSAAlgorithm
from mcp.server.auth.middleware.auth_context import auth_context_var
from starlette.datastructures import Headers

from servicetsunami.domain.caller import EVERYTHING, Caller, Scope
from servicetsunami.domain.identity import Identity
from servicetsunami.domain.tenant import is_tenant_name, tenant_name
from servicetsunami.errors import (
    Denied,
    InvalidInput,
    NotFound,
    RemoteUnavailable,
    Unauthenticated,
)
from servicetsunami.services.identities import Identities
from servicetsunami.stores.metadata import Metadata
from servicetsunami.transport.auth import Authenticator, LakeUser, current_caller
from servicetsunami.transport.jwks import KeySet
from servicetsunami.transport.scopes import TOOL_SCOPES, require, scope_of
from servicetsunami.transport.tokens import JwtVerifier, SharedSecret
from tests.hosted.issuing import AUDIENCE, ISSUER, Issuer, claims_of

SECRET = "a secret of more than thirty-two bytes"


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def pass_by(self, **time: float) -> None:
        self.at += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def identities(database_url: str, clock: Clock) -> AsyncIterator[Identities]:
    metadata = Metadata(database_url)
    yield Identities(metadata=metadata, on_first_use=False, now=clock.now)
    await metadata.close()


async def make_key(identities: Identities) -> str:
    return (await identities.create_key("acme", "ci", scopes=["lake:read"], days=30))[1]


async def test_a_key_stands_for_its_tenant_until_it_ends(
    identities: Identities, clock: Clock
) -> None:
    key, secret = await identities.create_key(
        "acme", "nightly import", scopes=["lake:read", "lake:run"], days=30
    )

    found = await identities.key_identity(secret)

    assert found.tenant == "acme"
    assert found.subject == key.id
    assert found.scopes == {Scope.READ, Scope.RUN}
    clock.pass_by(days=30, seconds=-1)
    assert await identities.key_identity(secret) == found
    clock.pass_by(seconds=1)
    with pytest.raises(Unauthenticated):
        await identities.key_identity(secret)


async def test_a_revoked_key_opens_nothing_and_cannot_be_revoked_twice(
    identities: Identities,
) -> None:
    secret = await make_key(identities)
    [key] = await identities.keys("acme")

    await identities.revoke_key(key.id)

    with pytest.raises(Unauthenticated):
        await identities.key_identity(secret)
    assert (await identities.keys(None))[0].revoked_at is not None
    for key_id in (key.id, "0" * 12):
        with pytest.raises(NotFound, match="No valid key has the id"):
            await identities.revoke_key(key_id)


async def test_of_a_key_only_its_hash_is_kept(database_url: str, identities: Identities) -> None:
    secret = await make_key(identities)

    assert len(secret) == 3 + 43
    assert secret not in repr(await identities.keys(None))
    if database_url.startswith("sqlite"):
        for file in Path(database_url.partition(":///")[2]).parent.glob("metadata.db*"):
            assert secret[3:].encode() not in file.read_bytes()


async def test_keys_of_one_tenant_are_listed_alone(identities: Identities) -> None:
    await make_key(identities)
    await identities.create_key("other", "x", scopes=["lake:read"], days=1)

    assert [key.tenant for key in await identities.keys("acme")] == ["acme"]
    assert sorted(key.tenant for key in await identities.keys(None)) == ["acme", "other"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": " "},
        {"name": "x" * 101},
        {"name": "two\nlines"},
        {"days": 0},
        {"days": 4_000},
        {"scopes": []},
        {"scopes": ["lake:everything"]},
        {"tenant": "Acme"},
        {"tenant": "../acme"},
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(
    identities: Identities, wrong: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {"tenant": "acme", "name": "ci", "scopes": ["lake:read"], "days": 30}
    with pytest.raises(InvalidInput):
        await identities.create_key(**(asked | wrong))
    assert await identities.keys(None) == ()


@pytest.mark.parametrize(
    "name",
    [
        *("", "A", "_a", "-a", "a b", "a.b", "a/b", "..", "a\n", "a" * 64),
        *("a\x00", "a%2e", "a`b", "a'b", "\u00e4", "\uff41", "\u0430"),
    ],
)
def test_a_name_that_could_be_another_directory_is_no_tenants(name: str) -> None:
    assert not is_tenant_name(name)
    with pytest.raises(InvalidInput, match="cannot be the name of a tenant"):
        tenant_name(name)


def test_usual_names_of_tenants_are_taken() -> None:
    for name in ("a", "acme", "acme_2", "0b9e-41", "3f2c1a00-7d1e-4c2b-9f00-1b2c3d4e5f60"):
        assert tenant_name(name) == name


async def test_a_tenant_is_served_when_an_administrator_has_added_it(
    identities: Identities,
) -> None:
    with pytest.raises(Denied, match="is not served here"):
        await identities.admit("acme")
    assert await identities.tenants() == ()

    await identities.add_tenant("acme")

    await identities.admit("acme")
    await identities.admit("acme")
    assert await identities.tenants() == ("acme",)
    await identities.check()


async def test_a_tenant_is_served_on_first_use_where_that_is_set(database_url: str) -> None:
    metadata = Metadata(database_url)
    identities = Identities(metadata=metadata, on_first_use=True)

    await identities.admit("acme")

    assert await identities.tenants() == ("acme",)
    await metadata.close()


def verifier(*, issuer: str = ISSUER, tenant_claim: str = "org.id") -> JwtVerifier:
    return JwtVerifier(
        SharedSecret(SECRET), issuer=issuer, audience=AUDIENCE, tenant_claim=tenant_claim
    )


def shared(**claims: Any) -> str:
    return jwt.encode(claims_of(**claims), SECRET, algorithm="HS256")


async def test_a_token_signed_with_the_shared_secret_is_good() -> None:
    found = await verifier().identity(shared())

    assert found == Identity(tenant="acme", subject="ada", issuer=ISSUER, scopes=EVERYTHING)


class CountedSecret(SharedSecret):
    """Counts how often it is asked for."""

    asked = 0

    async def find(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        self.asked += 1
        return await super().find(header)


def counted(clock: Clock) -> tuple[CountedSecret, JwtVerifier]:
    secret = CountedSecret(SECRET)
    clock.at = datetime.now(UTC)
    judge = JwtVerifier(
        secret, issuer=ISSUER, audience=AUDIENCE, tenant_claim="org.id", now=clock.monotonic
    )
    return secret, judge


async def test_a_good_token_is_judged_once_in_a_minute(clock: Clock) -> None:
    secret, judge = counted(clock)
    token = shared()

    first = await judge.identity(token)
    clock.pass_by(seconds=55)
    assert await judge.identity(token) == first
    assert secret.asked == 1

    clock.pass_by(seconds=6)
    assert await judge.identity(token) == first
    assert secret.asked == 2
    with pytest.raises(Unauthenticated):
        await judge.identity(token[:-4] + "AAAA")


async def test_a_token_is_not_remembered_past_its_end(clock: Clock) -> None:
    secret, judge = counted(clock)
    token = shared(exp=int(clock.monotonic()) - 7)

    await judge.identity(token)
    clock.pass_by(seconds=4)
    with suppress(Unauthenticated):
        await judge.identity(token)

    assert secret.asked == 2


async def test_no_more_than_two_thousand_tokens_are_remembered(clock: Clock) -> None:
    secret, judge = counted(clock)
    tokens = [shared(sub=f"caller {number}") for number in range(2_001)]

    subjects = [(await judge.identity(token)).subject for token in tokens]
    await judge.identity(tokens[-1])
    assert secret.asked == len(set(subjects)) == 2_001

    await judge.identity(tokens[0])
    assert secret.asked == 2_002


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
async def test_another_algorithm_with_the_right_secret_is_not(algorithm: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier().identity(jwt.encode(claims_of(), SECRET * 2, algorithm=algorithm))


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "lake:read openid"}, {Scope.READ}),
        ({"scope": ["lake:read", "lake:run"]}, {Scope.READ, Scope.RUN}),
        ({"scope": ""}, set()),
        ({"scope": 7}, set()),
        ({"scope": {"lake:read": True}}, set()),
        ({"scope": "LAKE:READ lake:readx"}, set()),
    ],
)
async def test_only_scopes_of_ours_count(claims: dict[str, object], scopes: set[Scope]) -> None:
    assert (await verifier().identity(shared(**claims))).scopes == scopes


async def test_scopes_may_stand_where_other_issuers_write_them() -> None:
    for claim in ("scp", "scopes"):
        token = shared(without="scope", **{claim: ["lake:read"]})
        assert (await verifier().identity(token)).scopes == {Scope.READ}
    assert (await verifier().identity(shared(without="scope"))).scopes == frozenset()


async def test_the_tenant_may_stand_in_a_claim_whose_name_has_dots() -> None:
    claim = "https://example.com/tenant"
    found = await verifier(tenant_claim=claim).identity(shared(**{claim: "acme"}))

    assert found.tenant == "acme"
    with pytest.raises(Unauthenticated, match="names no tenant"):
        await verifier(tenant_claim="sub.tenant").identity(shared())


@pytest.mark.parametrize("subject", ["", "a\nb", "x" * 256])
async def test_a_subject_is_a_line_of_text(subject: str) -> None:
    with pytest.raises(Unauthenticated, match="subject is not usable"):
        await verifier().identity(shared(sub=subject))


class Published:
    """A JWKS as it stands at the issuer; `None` while the issuer is away."""

    def __init__(self, *keys: dict[str, object]) -> None:
        self.text: bytes | None = json.dumps({"keys": keys}).encode()
        self.looks = 0

    def show(self, *keys: dict[str, object]) -> None:
        self.text = json.dumps({"keys": keys}).encode()

    async def fetch(self) -> bytes:
        self.looks += 1
        if self.text is None:
            raise RemoteUnavailable("The issuer is away.", "Try later.")
        return self.text


@pytest.fixture(scope="module")
def public(issuer: Issuer) -> dict[str, object]:
    return json.loads(RSAAlgorithm.to_jwk(issuer.key.public_key()))


async def test_keys_are_kept_for_an_hour(clock: Clock, public: dict[str, object]) -> None:
    published = Published(public | {"kid": "one"})
    keys = KeySet(published.fetch, now=clock.monotonic)

    for minutes in (0, 30, 29):
        clock.pass_by(minutes=minutes)
        await keys.find({"kid": "one"})
    assert published.looks == 1
    clock.pass_by(minutes=1)
    await keys.find({"kid": "one"})
    assert published.looks == 2


async def test_a_new_key_is_looked_up_but_not_for_each_token_that_makes_one_up(
    clock: Clock, public: dict[str, object]
) -> None:
    published = Published(public | {"kid": "one"})
    keys = KeySet(published.fetch, now=clock.monotonic)
    await keys.find({"kid": "one"})
    published.show(public | {"kid": "two"})

    for number in range(100):
        with pytest.raises(Unauthenticated):
            await keys.find({"kid": f"made up {number}"})
    assert published.looks == 1

    clock.pass_by(seconds=31)
    await keys.find({"kid": "two"})
    assert published.looks == 2
    with pytest.raises(Unauthenticated):
        await keys.find({"kid": "one"})


async def test_known_keys_stay_good_while_the_issuer_is_away(
    clock: Clock, public: dict[str, object]
) -> None:
    published = Published(public | {"kid": "one"})
    keys = KeySet(published.fetch, now=clock.monotonic)
    await keys.find({"kid": "one"})

    for broken in (None, b"<html>", b"[]", b"{}", b'{"keys": 7}', b"\xff"):
        published.text = broken
        clock.pass_by(hours=2)
        await keys.find({"kid": "one"})


async def test_without_any_key_nobody_is_told_that_a_token_is_wrong(clock: Clock) -> None:
    published = Published()
    published.text = None
    keys = KeySet(published.fetch, now=clock.monotonic)

    for _ in range(10):
        with pytest.raises(RemoteUnavailable):
            await keys.find({"kid": "one"})
    assert published.looks == 1


async def test_keys_that_do_not_sign_tokens_are_left_out(
    clock: Clock, public: dict[str, object]
) -> None:
    published = Published(
        public | {"kid": "for encryption", "use": "enc"},
        public | {"kid": "another algorithm", "alg": "RS512"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "symmetric"},
        {"kty": "RSA", "n": "!", "e": "!", "kid": "broken"},
        {"kty": ["RSA"], "kid": "a list"},
        {"kty": "EC", "crv": "P-521", "kid": "another curve"},
        public | {"kid": ["one"]},
    )
    published.text = json.dumps(
        {"keys": [*json.loads(published.text or b"{}")["keys"], "no key"]}
    ).encode()
    keys = KeySet(published.fetch, now=clock.monotonic)

    # One is left, whose id is no text: a token that names none means it.
    assert (await keys.find({})).key_type == "RSA"
    for kid in ("for encryption", "another algorithm", "symmetric", "broken", "a list", 7):
        with pytest.raises(Unauthenticated):
            await keys.find({"kid": kid})


def authenticator(identities: Identities, tokens: JwtVerifier | None) -> Authenticator:
    def caller(identity: Identity) -> Caller:
        return Caller(
            tenant=identity.tenant,
            subject=identity.subject,
            catalog="main",
            scopes=identity.scopes,
        )

    return Authenticator(
        is_key=identities.is_key,
        key_identity=identities.key_identity,
        tokens=tokens,
        admit=identities.admit,
        caller_of=caller,
    )


async def test_a_credential_is_taken_from_either_header(identities: Identities) -> None:
    secret = await make_key(identities)
    here = authenticator(identities, verifier())

    for headers in (
        {"Authorization": f"Bearer {secret}"},
        {"authorization": f"bearer   {secret} "},
        {"X-API-Key": secret},
        {"Authorization": f"Bearer {shared()}"},
    ):
        user = await here.user(Headers(headers))
        assert user.caller.tenant == "acme"
        assert user.access_token.token == ""


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic YTph"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer " + "x" * 9_000},
        {"Authorization": "Bearer a", "X-API-Key": "a"},
        {"X-API-Key": ""},
        {"X-API-Key": "no key"},
    ],
)
async def test_without_tokens_only_keys_are_taken(
    identities: Identities, headers: dict[str, str]
) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator(identities, None).user(Headers(headers))


async def test_a_genuine_token_of_a_tenant_that_is_not_served_is_refused(
    identities: Identities,
) -> None:
    with pytest.raises(Denied, match="is not served here"):
        await authenticator(identities, verifier()).user(
            Headers({"Authorization": f"Bearer {shared()}"})
        )


def test_nobody_is_the_caller_outside_of_a_request() -> None:
    with pytest.raises(Unauthenticated):
        current_caller()

    caller = Caller(tenant="acme", subject="ada", catalog="main")
    identity = Identity(tenant="acme", subject="ada", issuer="x", scopes=frozenset())
    reset = auth_context_var.set(LakeUser(identity, caller))
    assert current_caller() is caller
    auth_context_var.reset(reset)


def test_a_tool_that_nobody_has_thought_of_is_for_administrators() -> None:
    assert scope_of("list_assets") is Scope.READ
    assert scope_of("something new") is Scope.ADMIN
    caller = Caller(tenant="a", subject="a", catalog="main", scopes=frozenset({Scope.READ}))
    require(caller, Scope.READ, "Reading")
    with pytest.raises(Denied, match="Reading needs the scope lake:write"):
        require(caller, Scope.WRITE, "Reading")


def test_every_tool_has_its_scope() -> None:
    recorded = {file.stem for file in Path(__file__).parents[1].glob("contract/*.json")}

    assert recorded
    assert recorded <= set(TOOL_SCOPES)
