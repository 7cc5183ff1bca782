"""The address that is listened at, by one process or by several that share it."""

import socket
from ipaddress import ip_address
from typing import Final

from servicetsunami.errors import ConfigurationError

_BACKLOG: Final = 2_048


def is_loopback(host: str) -> bool:
    """Tell whether nobody but this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int) -> socket.socket:
    """Take the address, before anything is built; raises ConfigurationError when it is not free."""
    return _bind(host, port, is_shared=False)


def bind_shared(host: str, port: int, *, count: int) -> tuple[socket.socket, ...]:
    """Take the address so many times; Linux spreads new connections evenly among the sockets.

    Raises ConfigurationError when somebody else has it: shared sockets alone would not tell.
    """
    with bind(host, port) as probe:
        port = probe.getsockname()[1]
    return tuple(_bind(host, port, is_shared=True) for _ in range(count))


def url_of(bound: socket.socket) -> str:
    """Where it is reached over HTTP."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bind(host: str, port: int, *, is_shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, reuse_port=is_shared
        )
    except OSError as error:
        raise ConfigurationError(
            f"The server cannot listen on {host}, port {port}: {error.strerror}.",
            "End what listens there, or choose another with --host and --port.",
        ) from error
