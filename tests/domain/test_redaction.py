"""Credentials of every kind that passes through this server, and texts that have none."""

import io
import logging
import time

import pytest

from servicetsunami.domain.redaction import REDACTED, RedactingFilter, redacted

HIDDEN = "Zq7hN2xK9vPw4LmT8rYb3CdF6gHj1AsE5uQiOeWz0XcV"
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.{HIDDEN}"
HEX = "0123456789abcdef0123456789abcdef"

LEAKS = {
    "Databricks token": (f"401 for token dapi{HEX}-2 at the host", HEX),
    "Databricks secret": (f"client secret dose{HEX} refused", HEX),
    "our key": (f"unknown key st_{HIDDEN[:43]}", HIDDEN[:40]),
    "JWT": (f"cannot decode {JWT}", HIDDEN),
    "unsigned JWT": ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJpZCI6MX0. was sent", "eyJzdWIiOiJ"),
    "bearer header": (f"Authorization: Bearer {HIDDEN}", HIDDEN),
    "basic header": ("authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
    "header in JSON": (f'{{"Authorization": "Bearer {HIDDEN}"}}', HIDDEN),
    "header of Python": (f"{{'X-API-Key': '{HIDDEN}'}}", HIDDEN),
    "bearer alone": (f"sent bearer {HIDDEN} twice", HIDDEN),
    "AWS key id": ("AKIAIOSFODNN7EXAMPLE was denied", "IOSFODNN7"),
    "AWS temporary id": ("ASIAIOSFODNN7EXAMPLE was denied", "IOSFODNN7"),
    "AWS secret": (f"aws_secret_access_key = {HIDDEN}", HIDDEN),
    "AWS signature": (
        f"https://b.s3.amazonaws.com/a.csv?X-Amz-Credential=AKX%2F1&X-Amz-Signature={HIDDEN}&x=1",
        HIDDEN,
    ),
    "AWS session": (f"https://b.s3.amazonaws.com/a?X-Amz-Security-Token={HIDDEN}", HIDDEN),
    "Azure SAS": (
        f"https://x.blob.core.windows.net/c/a.csv?sv=2024-11-04&se=2026&sig={HIDDEN}%3D",
        HIDDEN,
    ),
    "Azure account": (f"AccountName=x;AccountKey={HIDDEN}==;EndpointSuffix=y", HIDDEN),
    "Azure shared": (f"SharedAccessSignature=sv=1&sig={HIDDEN}", HIDDEN),
    "Google": ("key AIzaSyA1234567890abcdefghijklmnopqrstuv is over quota", "abcdefghij"),
    "Google signature": (f"https://storage.googleapis.com/a?X-Goog-Signature={HIDDEN}", HIDDEN),
    "password in a URL": ("postgresql+asyncpg://lake:hunter22@db:5432/x is down", "hunter22"),
    "password alone": ("redis://:hunter22@cache/0", "hunter22"),
    "password of libpq": ("host=db user=x password=hunter22 sslmode=require", "hunter22"),
    "password in YAML": ("password: 'hunter22'", "hunter22"),
    "client secret": ('{"client_secret":"hunter2222"}', "hunter2222"),
    "environment": ("DATABRICKS_TOKEN=hunter2222", "hunter2222"),
    "setting": ("SERVICETSUNAMI_JWT_SECRET=hunter2222", "hunter2222"),
    "OAuth answer": (f'{{"access_token": "{HIDDEN}", "expires_in": 3600}}', HIDDEN),
    "GitHub": (f"ghp_{HIDDEN[:36]} pushed", HIDDEN[:30]),
    "Slack": (f"xoxb-{HIDDEN}", HIDDEN),
    "PEM": (f"-----BEGIN RSA PRIVATE KEY-----\n{HIDDEN}\n-----END RSA PRIVATE KEY-----", HIDDEN),
    "PEM with a password": (
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A\n\n"
        f"{HIDDEN}\n-----END RSA PRIVATE KEY-----",
        HIDDEN,
    ),
    "PEM cut short": (f"-----BEGIN PRIVATE KEY-----\n{HIDDEN}", HIDDEN),
}
HARMLESS = (
    "The API key is not valid. Ask for a new one.",
    "No dataset is named 'tokens'. Did you mean token_counts?",
    "Set SERVICETSUNAMI_JWT_SECRET or SERVICETSUNAMI_JWT_KEYS.",
    "https://example.com/a.csv?page=2&sort=name answered 404",
    "2026-11-28 12:00:00 read default.stock_prices in 0.3 s",
    "run 3f2a9c17 read 1,024 tokens: 12 rows",
    "mail ada@example.com, or see https://example.com/~ada",
)


@pytest.mark.parametrize("kind", LEAKS)
def test_a_credential_is_taken_out(kind: str) -> None:
    text, secret = LEAKS[kind]
    assert secret in text
    shown = redacted(text)
    assert secret not in shown
    assert REDACTED in shown


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_credential_stays(text: str) -> None:
    assert redacted(text) == text


def test_what_surrounds_a_credential_stays_readable() -> None:
    shown = redacted("postgresql://lake:hunter22@db:5432/x is down, token=abcdefgh, try later")
    assert shown == f"postgresql://{REDACTED}@db:5432/x is down, token={REDACTED}, try later"


def test_values_of_secret_settings_are_taken_out_wherever_they_stand() -> None:
    assert redacted("we sent correct-horse to them", ["correct-horse", "x"]) == (
        f"we sent {REDACTED} to them"
    )


def test_redacting_twice_changes_nothing() -> None:
    for text, _ in LEAKS.values():
        assert redacted(redacted(text)) == redacted(text)


def test_a_text_that_is_too_long_to_look_through_is_not_shown() -> None:
    assert HIDDEN not in redacted(HIDDEN * 100_000)


@pytest.mark.parametrize(
    "piece",
    ["://", "-----BEGIN PRIVATE KEY-----", "secret_", "authorization: ", "?sig=&", "eyJaaaaaaaa."],
)
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    redacted(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 2


def test_the_log_shows_no_credential_in_messages_arguments_or_tracebacks() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(RedactingFilter(["correct-horse"]))
    log = logging.Logger("test")
    log.addHandler(handler)
    try:
        raise ValueError("postgresql://lake:hunter22@db said correct-horse")
    except ValueError:
        log.exception("sent Bearer %s", HIDDEN)
    log.warning("odd 100%")

    text = written.getvalue()
    assert "ValueError" in text
    assert "odd 100%" in text
    for secret in ("hunter22", "correct-horse", HIDDEN):
        assert secret not in text
