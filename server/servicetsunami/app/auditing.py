"""Builds what records operations, and what words answers for models, out of the settings."""

from typing import TYPE_CHECKING

from servicetsunami.services.audit import Audit
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.transport.auditing import Auditor
    from servicetsunami.transport.marking import Marking


def audit_of(settings: Settings, metadata: Metadata) -> Audit:
    """The audit record."""
    return Audit(metadata, key=audit_key(settings), days=settings.audit_days)


def audit_key(settings: Settings) -> bytes:
    """What the record is sealed with; empty where nothing is set."""
    return settings.audit_key.get_secret_value().encode() if settings.audit_key else b""


def auditor_of(audit: Audit) -> "Auditor":
    """What notes operations there."""
    from servicetsunami.transport.auditing import Auditor  # noqa: PLC0415 - the SDK is heavy

    return Auditor(audit)


def marking(settings: Settings) -> "Marking":
    """How answers and errors are worded for a model."""
    from servicetsunami.transport.marking import Marking  # noqa: PLC0415 - the SDK is heavy

    return Marking(marks=settings.mark_data, secrets=settings.secrets)
