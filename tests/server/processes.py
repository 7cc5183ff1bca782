"""Real server processes, spoken to as a client speaks."""

import json
import os
from pathlib import Path
from typing import Any

from tests.warm import Piped

PROTOCOL = "2025-11-25"


def environment(data_dir: Path, roots: Path) -> dict[str, str]:
    return {
        **os.environ,
        "SERVICETSUNAMI_DATA_DIR": str(data_dir),
        "SERVICETSUNAMI_ALLOWED_ROOTS": str(roots),
    }


class Server:
    """A server over stdio, driven line by line, so that it can be killed at any moment."""

    def __init__(self, data_dir: Path, roots: Path, **more: str) -> None:
        self.process = Piped("serve", env=environment(data_dir, roots) | more)
        self._number = 0
        client = {"name": "test", "version": "1"}
        hello = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client}
        self.request("initialize", hello)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message: dict[str, Any]) -> None:
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method: str, params: dict[str, Any]) -> int:
        """Send a request without waiting for its answer; returns its id."""
        self._number += 1
        self.send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number

    def answer(self, number: int) -> dict[str, Any] | None:
        """The answer to a request, or None when the server is gone."""
        while line := self.process.stdout.readline():
            message = json.loads(line)
            if message.get("id") == number and "method" not in message:
                return message
        return None

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        answer = self.answer(self.ask(method, params))
        assert answer is not None, self.close()
        return answer

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = self.request("tools/call", {"name": tool, "arguments": arguments})["result"]
        assert not result.get("isError"), result
        return result["structuredContent"]

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> tuple[int, bytes]:
        """Close its stdin as a leaving client does; its exit code and what it logged."""
        _, logged = self.process.communicate(timeout=30)
        return self.process.wait(), logged
