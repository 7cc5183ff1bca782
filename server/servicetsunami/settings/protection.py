"""What an operator can set about protection: the audit record, fetching, and what models read."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from servicetsunami.settings.parts import Part, names


class ProtectionSettings(Part):
    """What is recorded, what may be fetched, and how others' text is told from the server's."""

    audit: bool | None = Field(
        default=None,
        description="Record every operation, for `servicetsunami audit`. Unset: with `serve "
        "--http` only.",
    )
    audit_key: SecretStr | None = Field(
        default=None,
        description="Seals the audit record, so that who can write to the database alone cannot "
        "forge it. Keep it elsewhere; `servicetsunami audit verify` needs it.",
    )
    audit_days: int = Field(
        default=365,
        ge=0,
        description="Audit records older than this are given up, which is recorded. 0: never.",
    )
    fetch_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("*",),
        description="Hosts that ingest_dataset may fetch from over https, separated by commas: "
        "names, `*.example.com`, or `*` for all with public addresses. Empty: none.",
    )
    fetch_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins that may be fetched from though their addresses are private, such as "
        "`https://files.example.lan` or `http://10.0.0.5:8000`, separated by commas.",
    )
    fetch_mb: int = Field(
        default=1024, ge=1, description="Longest file that is fetched, in MiB, as it is sent."
    )
    fetch_timeout_s: float = Field(
        default=120.0, gt=0, le=3600, description="How long fetching a file may take, in seconds."
    )
    fetch_ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) of authorities to believe besides the public ones.",
    )
    mark_data: bool = Field(
        default=True,
        description="Put the text of every answer between marks that its content cannot know, so "
        "that a model can tell data from instructions. `false`: plain JSON, for clients that "
        "parse the text instead of the structured content.",
    )

    @field_validator("fetch_hosts", "fetch_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        return names(value)
