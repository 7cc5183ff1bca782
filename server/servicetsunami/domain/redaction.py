"""Takes credentials out of what is logged, recorded, or told to a model."""

import logging
import re
from collections.abc import Iterable
from typing import Final

REDACTED: Final = "[redacted]"
_CHARS_MAX: Final = 200_000
"""Nothing longer is looked through, so it is not shown at all."""
_SECRET_CHARS_MIN: Final = 6
"""A shorter secret is no secret, and would be found in the middle of words."""
_NAMED: Final = (
    r"password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|secret[_-]?key"
    r"|private[_-]?key|credential|signature|sig"
)

_RULES: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Keys in PEM, whole or cut short.
        (
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:-?[^-]){0,10000}"
            r"(?:-----END [A-Z ]{0,30}-----)?",
            REDACTED,
        ),
        # User and password in an address, and a password alone.
        (r"(?<=://)[^\s/@:\"'<>]{0,256}:[^\s/@\"'<>]{1,1024}@", f"{REDACTED}@"),
        # What a header carries, whatever kind it is.
        (
            r"(?i)\b((?:proxy-)?authorization[\"']?\s{0,5}[:=]\s{0,5}[\"']?"
            r"(?:(?:bearer|basic|digest|token)\s{1,5})?)[^\s\"',;]{4,}",
            rf"\g<1>{REDACTED}",
        ),
        (r"(?i)\b(x-api-key[\"']?\s{0,5}[:=]\s{0,5}[\"']?)[^\s\"',;]{4,}", rf"\g<1>{REDACTED}"),
        (r"(?i)\b(bearer\s{1,5})[A-Za-z0-9._~+/=-]{12,}", rf"\g<1>{REDACTED}"),
        # Tokens that can be told by what they look like.
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{0,}", REDACTED),
        (r"\b(?:dapi|dose|dkea|dsapi|dp1t)[0-9a-f]{28,}(?:-\d{1,3})?", REDACTED),
        (r"\bst_[A-Za-z0-9_-]{40,}", REDACTED),
        (r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[0-9A-Z]{16}\b", REDACTED),
        (r"\bAIza[0-9A-Za-z_-]{35}", REDACTED),
        (r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}", REDACTED),
        (r"\b(?:sk|hf|xox[abprs]|glpat|npm)[-_][A-Za-z0-9_-]{20,}", REDACTED),
        # Signed parts of addresses: AWS, Azure, Google.
        (
            r"(?i)([?&;](?:x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|"
            r"credential)|sig|signature|awsaccesskeyid|token|access_token|api_key|apikey|key|code|"
            r"password|secret|client_secret)=)[^&#\s\"'<>]{1,4096}",
            rf"\g<1>{REDACTED}",
        ),
        # Whatever is called a secret: in connection strings, JSON, settings, headers.
        (
            rf"(?i)((?:{_NAMED})[\"']?\s{{0,5}}[:=]\s{{0,5}}[\"']?)(?!\[redacted)[^\s\"',;&}})]{{6,}}",
            rf"\g<1>{REDACTED}",
        ),
    )
)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without credentials: known ones, and whatever looks like one.

    `secrets` are values that must not be shown wherever they stand, such as those of settings.
    Parts of a text are lost rather than a secret shown, so it is not for data.
    """
    if len(text) > _CHARS_MAX:
        return f"{REDACTED} ({len(text):,} characters)"
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SECRET_CHARS_MIN:
            text = text.replace(secret, REDACTED)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


class RedactingFilter(logging.Filter):
    """Redacts records before a handler writes them: messages, arguments and tracebacks.

    It belongs to handlers, which see the records of all loggers.
    """

    _FORMATTER: Final = logging.Formatter()

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record; every one is written."""
        record.msg = redacted(record.getMessage(), self._secrets)
        record.args = ()
        if record.exc_info and not record.exc_text:
            # A formatter takes this text, where there is one, instead of making its own.
            record.exc_text = self._FORMATTER.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redacted(record.exc_text, self._secrets)
        if record.stack_info:
            record.stack_info = redacted(record.stack_info, self._secrets)
        return True
