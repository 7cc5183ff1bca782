"""A client that costs nearly nothing itself: JSON lines over pipes, no schema checks."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_ANSWER_TIMEOUT_S: Final = 300
_STOP_TIMEOUT_S: Final = 20
_CHUNK_BYTES: Final = 1 << 20

OURS: Final = (sys.executable, "-P", "-m", "servicetsunami", "serve")
BARE: Final = (sys.executable, "-P", str(Path(__file__).parent / "bare_server.py"))


class CallError(Exception):
    """The server answered a call with an error, or not at all."""


class StdioServer:
    """One server process and our end of its pipes. Not for several threads."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.spawned_at = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        self._received = bytearray()
        self._answers: dict[int, dict[str, Any]] = {}
        self._last_id = 0
        self._greet()

    @property
    def pid(self) -> int:
        """The process that was spawned; its workers are its descendants."""
        return self._process.pid

    def send(self, method: str, params: Mapping[str, Any]) -> int:
        """Send a request without waiting for the answer; returns its id."""
        self._last_id += 1
        self._write({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    def wait(self, request_id: int, *, timeout_s: float = _ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """Wait for the answer to one request; others that come meanwhile are kept."""
        deadline = time.monotonic() + timeout_s
        while request_id not in self._answers:
            self._read(deadline)
        message = self._answers.pop(request_id)
        if "error" in message:
            raise CallError(message["error"])
        return message["result"]

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request, and wait for its result. Raises CallError."""
        return self.wait(self.send(method, params or {}))

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool, and return its structured answer. Raises CallError."""
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            raise CallError(result["content"][0]["text"])
        return result["structuredContent"]

    def cancel(self, request_id: int) -> None:
        """Tell the server that nobody waits for this answer any longer."""
        self._write({"method": "notifications/cancelled", "params": {"requestId": request_id}})

    def close(self) -> None:
        """Leave as clients do, by closing its input; kill it when it does not follow."""
        self._input.close()
        try:
            self._process.wait(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _greet(self) -> None:
        client = {"name": "benchmark", "version": "1"}
        self.request(
            "initialize",
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client},
        )
        self._write({"method": "notifications/initialized"})

    def _write(self, message: Mapping[str, Any]) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")) + "\n"
        self._input.write(line.encode())

    def _read(self, deadline: float) -> None:
        ready, _, _ = select.select([self._output], [], [], max(0, deadline - time.monotonic()))
        chunk = os.read(self._output.fileno(), _CHUNK_BYTES) if ready else b""
        if not chunk:
            raise CallError("The server has gone." if ready else "The server did not answer.")
        self._received += chunk
        *lines, rest = self._received.split(b"\n")
        self._received = rest
        for line in lines:
            message = json.loads(line)
            if "id" in message and "method" not in message:
                self._answers[message["id"]] = message
