"""What an operator can set about watching the server: its metrics, its traces, its log."""

from typing import Literal

from pydantic import Field, SecretStr

from servicetsunami.settings.parts import Part


class ObservingSettings(Part):
    """Who may read the metrics, where traces go, and in which form the log is written."""

    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="What a scraper of `/metrics` sends as `Authorization: Bearer …`. Unset: where "
        "credentials are asked for, there is no `/metrics`; else it is open, as all is.",
    )
    metrics_tenants: bool = Field(
        default=False,
        description="Count operations for each tenant by name. Each has its own series then, so "
        "only for few.",
    )
    log_format: Literal["", "text", "json"] = Field(
        default="",
        description="Lines for people, or one JSON object for each. Empty: `json` over HTTP, "
        "`text` over stdio.",
    )
    otlp_endpoint: str = Field(
        default="",
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Where traces are sent, over OTLP by HTTP, such as `http://127.0.0.1:4318`. "
        "Needs the extra `otlp`, which reads all other `OTEL_*` variables. Empty: no traces.",
    )
    otel_disabled: bool = Field(
        default=False,
        validation_alias="OTEL_SDK_DISABLED",
        description="Send no traces, wherever they would go.",
    )
