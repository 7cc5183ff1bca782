"""What an operator can set about serving over HTTP: who may come in, and how much they may ask."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from servicetsunami.settings.parts import Part, names


class HttpSettings(Part):
    """The address, the credentials, and the limits of each tenant."""

    http_host: str = Field(
        default="127.0.0.1",
        description="Address for `serve --http`. Beyond loopback only with SERVICETSUNAMI_AUTH and "
        "SERVICETSUNAMI_HTTP_ALLOWED_HOSTS.",
    )
    http_port: int = Field(default=8085, ge=0, le=65535, description="Port for `serve --http`.")
    http_workers: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Processes that share the address of `serve --http`, each serving some of the "
        "tenants: one for each processor uses them all. Linux only.",
    )
    http_sse: bool = Field(
        default=True, description="Serve the older HTTP+SSE transport at /sse as well."
    )
    http_dashboard: bool = Field(
        default=True, description="Serve the dashboard, a page for people, at /dashboard."
    )
    http_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Names under which the server may be called, separated by commas, beside those "
        "of loopback. Requests for other names are refused, as DNS rebinding makes them.",
    )
    http_allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Web pages that may call the server, such as `https://app.example.com`, "
        "separated by commas, beside those of its own names.",
    )
    http_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Addresses or networks of reverse proxies whose X-Forwarded-For and "
        "X-Forwarded-Proto are believed, separated by commas. Empty: nobody's.",
    )
    http_public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/\"]+)?$",
        description="Where clients reach the server, such as `https://lake.example.com`. Empty: "
        "its address and port.",
    )
    http_body_mb: int = Field(
        default=4, ge=1, le=1024, description="Longest request over HTTP, in MiB."
    )
    http_upload_mb: int = Field(
        default=1024, ge=1, description="Longest upload of a file over REST, in MiB."
    )
    http_body_s: float = Field(
        default=30.0,
        ge=1,
        le=3600,
        description="How long a request may take to arrive, in seconds.",
    )
    http_drain_s: float = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="How long running calls may go on after SIGTERM, in seconds.",
    )
    calls_per_minute: int = Field(
        default=600,
        ge=1,
        description="Calls that a tenant may make within a minute, at each server, where "
        "credentials are asked for.",
    )
    calls_per_minute_of_subject: int = Field(
        default=300, ge=1, description="The same for one subject of a tenant."
    )
    calls_at_once: int = Field(
        default=16,
        ge=1,
        description="Calls of one tenant that a server has in hand at once; more are refused.",
    )
    calls_at_once_in_all: int = Field(
        default=256,
        ge=1,
        description="Calls of all tenants that a server has in hand at once; more are refused.",
    )
    auth: bool = Field(
        default=False,
        description="Ask every HTTP request for an API key or a token. On by itself where a "
        "secret or keys for tokens are set.",
    )
    jwt_secret: SecretStr | None = Field(
        default=None, description="Secret for tokens signed with HS256, of at least 32 bytes."
    )
    jwt_keys: str = Field(
        default="",
        description="Where the issuer's public keys are: the https address of its JWKS, or a file. "
        "For tokens signed with RS256, ES256 or EdDSA.",
    )
    jwt_issuer: str = Field(default="", description="The `iss` that tokens must have.")
    jwt_audience: str = Field(
        default="", description="The `aud` that tokens must have: what names this server there."
    )
    jwt_tenant_claim: str = Field(
        default="tenant",
        min_length=1,
        description="The claim that names the tenant; a dot leads into a claim, as in `org.id`.",
    )
    tenants_on_first_use: bool = Field(
        default=False,
        description="Serve a tenant as soon as a genuine token names it. Otherwise an "
        "administrator adds it with `servicetsunami token tenant`.",
    )

    @field_validator("http_allowed_hosts", "http_allowed_origins", "http_proxies", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return names(value)

    @property
    def asks_for_credentials(self) -> bool:
        """Whether requests over HTTP need an API key or a token."""
        return self.auth or self.jwt_secret is not None or bool(self.jwt_keys)

    @property
    def public_url(self) -> str:
        """Where clients reach the server over HTTP."""
        host = f"[{self.http_host}]" if ":" in self.http_host else self.http_host
        return self.http_public_url or f"http://{host}:{self.http_port}"
