"""The certificates that this server believes: loaded once in a process, as they take 50 ms."""

import ssl
from functools import cache
from pathlib import Path

import httpx


@cache
def authorities(*, trust_env: bool = True, ca_file: Path | None = None) -> ssl.SSLContext:
    """Return the context for clients that believe public authorities, and those of `ca_file`.

    With `trust_env` those that SSL_CERT_FILE or SSL_CERT_DIR name take the place of the public
    ones. What changes in the files counts from the next start on. Raises OSError for a file that
    cannot be read.
    """
    context = httpx.create_ssl_context(trust_env=trust_env)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
