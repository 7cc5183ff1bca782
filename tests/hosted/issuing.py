"""An issuer of tokens: its keys, the tokens it makes, and those that others forge."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://id.example.com"
AUDIENCE = "https://lake.example.com/mcp"
ALL_SCOPES = "lake:read lake:write lake:run lake:serve lake:admin"


class Issuer:
    """Signs with RS256 under the id `one`; others may know all but the private key."""

    def __init__(self) -> None:
        self.key: RSAPrivateKey = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.curve = ec.generate_private_key(ec.SECP256R1())

    def publish(self, file: Path) -> None:
        """Write the public keys, as an issuer's JWKS has them."""
        entry = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        other = json.loads(ECAlgorithm.to_jwk(self.curve.public_key()))
        keys = [entry | {"kid": "one", "use": "sig"}, other | {"kid": "two"}]
        file.write_text(json.dumps({"keys": keys}))

    def settings(self, folder: Path) -> dict[str, str]:
        """The environment of a server that trusts it, by keys that are in the folder then."""
        keys = folder / "jwks.json"
        self.publish(keys)
        return {
            "SERVICETSUNAMI_JWT_KEYS": str(keys),
            "SERVICETSUNAMI_JWT_ISSUER": ISSUER,
            "SERVICETSUNAMI_JWT_AUDIENCE": AUDIENCE,
            "SERVICETSUNAMI_JWT_TENANT_CLAIM": "org.id",
            "SERVICETSUNAMI_TENANTS_ON_FIRST_USE": "true",
        }

    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def token(
        self,
        tenant: object = "acme",
        *,
        key: Any = None,
        algorithm: str = "RS256",
        headers: Mapping[str, Any] | None = None,
        without: str | None = None,
        **claims: Any,
    ) -> str:
        """A token that is good unless the arguments make it bad."""
        return jwt.encode(
            claims_of(tenant, without=without, **claims),
            self.key if key is None else key,
            algorithm=algorithm,
            headers={"kid": "one"} if headers is None else dict(headers),
        )


def claims_of(tenant: object = "acme", *, without: str | None = None, **claims: Any) -> dict:
    now = int(time.time())
    made = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ada",
        "iat": now,
        "exp": now + 600,
        "org": {"id": tenant},
        "scope": ALL_SCOPES,
    } | claims
    if without is not None:
        del made[without]
    return made
