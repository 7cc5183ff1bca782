"""A file that harms its parser ends a child at most: the server goes on, and says what failed."""

import zlib
from pathlib import Path

import pytest
from mcp.client import Client

from tests.server.asking import call

pytestmark = pytest.mark.slow


def bomb(size: int) -> bytes:
    """A page whose few bytes become as many as that when they are unpacked."""
    squeeze = zlib.compressobj(9)
    line = b"BT /F1 9 Tf (a) Tj ET " * 1000
    content = b"".join(squeeze.compress(line) for _ in range(size // len(line)))
    content += squeeze.flush()
    head = (
        b"%PDF-1.4\n1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj\n"
        b"2 0 obj <</Type /Pages /Count 1 /Kids [3 0 R]>> endobj\n"
        b"3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R>> endobj\n"
        b"4 0 obj <</Filter /FlateDecode /Length "
    )
    head += str(len(content)).encode() + b">> stream\n"
    return head + content + b"\nendstream endobj\ntrailer <</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"


def cycle() -> bytes:
    """Pages that are their own children."""
    return (
        b"%PDF-1.4\n1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj\n"
        b"2 0 obj <</Type /Pages /Count 9 /Kids [2 0 R 2 0 R]>> endobj\n"
        b"trailer <</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"
    )


HOSTILE = {
    "bomb.pdf": lambda: bomb(3 * 2**30),
    "cycle.pdf": cycle,
    "deep.html": lambda: b"<div>" * 4_000_000 + b"text",
    "wide.html": lambda: b"<p>" + b"&amp;" * 10_000_000,
    "one-word.txt": lambda: b"x" * 1_900_000,
    "nulls.md": lambda: b"\0" * 30_000_000,
    "surrogates.txt": lambda: b"\xff\xfe" + b"\x00\xd8a\x00" * 500_000,
    "odd.html": lambda: b"<html><![CDATA[" + bytes(range(256)) * 1000,
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_file_ends_no_server(client: Client, files: Path, name: str) -> None:
    (files / name).write_bytes(HOSTILE[name]())
    result = await client.call_tool("index_documents", {"index": "docs", "source": name})
    text = getattr(result.content[0], "text", "")
    assert result.is_error is False or "internal" not in text.lower(), text
    await call(client, "index_documents", index="docs", source=[{"id": "after", "text": "Alive."}])
    answer = await call(client, "search_vectors", index="docs", query="alive", mode="keyword")
    assert "after" in [hit["id"] for hit in answer["hits"]]
