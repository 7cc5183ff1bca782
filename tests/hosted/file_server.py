"""Servers of files on this machine, with TLS of their own making, and one that nobody may reach."""

import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

Answer = Callable[[BaseHTTPRequestHandler], None]


class Canary:
    """Counts who connects to it, over IPv4 and, where there is any, IPv6."""

    def __init__(self) -> None:
        self.hits = 0
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port: int = self._sockets[0].getsockname()[1]
        if socket.has_dualstack_ipv6():
            # A machine may have the protocol, but no address.
            with suppress(OSError):
                self._sockets.append(
                    socket.create_server(("::1", self.port), family=socket.AF_INET6)
                )

        for each in self._sockets:
            threading.Thread(target=self._listen, args=(each,), daemon=True).start()

    def _listen(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self.hits += 1
            connection.close()

    def close(self) -> None:
        for each in self._sockets:
            each.shutdown(socket.SHUT_RDWR)
            each.close()


class Authority:
    """Makes certificates that only who has its own believes."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / "ca.pem"
        own = self._make("Test authority", self._key, None)
        self.file.write_bytes(own.public_bytes(Encoding.PEM))

    def context(self, folder: Path, *names: str) -> ssl.SSLContext:
        """What a server of those names serves with; it notes the names that it is asked for."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._make(names[0], key, names)
        file = folder / f"{names[0]}.pem"
        file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _make(
        self, name: str, key: ec.EllipticCurvePrivateKey, names: tuple[str, ...] | None
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        )
        if names is not None:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self._key, hashes.SHA256())


class FileServer(ThreadingHTTPServer):
    """Answers by path, and notes the Host and the TLS name of each request."""

    daemon_threads = True

    def __init__(self, answers: dict[str, Answer], context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.hosts: list[str] = []
        self.names: list[str | None] = []
        if context is not None:
            context.sni_callback = lambda _socket, name, _context: self.names.append(name)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away, or do not believe the certificate, are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, FileServer)
        server.hosts.append(self.headers["host"])
        server.answers[self.path.partition("?")[0]](self)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(
    answers: dict[str, Answer], context: ssl.SSLContext | None = None
) -> Generator[FileServer]:
    server = FileServer(answers, context)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def content(body: bytes, kind: str = "text/csv", status: int = 200) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def redirect(to: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", to)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def endless(request: BaseHTTPRequestHandler) -> None:
    """Send without telling how much, until nobody listens."""
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b"0" * 65_536)


def silent(request: BaseHTTPRequestHandler) -> None:
    """Begin, and never go on."""
    request.send_response(200)
    request.send_header("Content-Length", "100")
    request.end_headers()
    request.wfile.flush()
    request.rfile.read()
