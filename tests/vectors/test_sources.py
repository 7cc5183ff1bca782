"""Documents come out of texts, files and folders, out of a dataset's column, or with vectors."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from tests.server.asking import ask, call, failure

pytestmark = pytest.mark.slow

LONG = " ".join(f"Sentence number {n} tells of nothing much at all." for n in range(60))


async def found(client: Client, query: str, **more: Any) -> list[str]:
    answer = await call(client, "search_vectors", index="docs", query=query, **more)
    return [hit["id"] for hit in answer["hits"]]


def pdf(pages: list[str]) -> bytes:
    """A small PDF of one line a page."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    parts = [
        "1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj",
        f"2 0 obj <</Type /Pages /Count {len(pages)} /Kids [{kids}]>> endobj",
        "3 0 obj <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>> endobj",
    ]
    for n, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET"
        parts.append(
            f"{4 + 2 * n} 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] "
            f"/Resources <</Font <</F1 3 0 R>>>> /Contents {5 + 2 * n} 0 R>> endobj"
        )
        parts.append(
            f"{5 + 2 * n} 0 obj <</Length {len(stream)}>> stream\n{stream}\nendstream endobj"
        )
    text, places = "%PDF-1.4\n", []
    for part in parts:
        places.append(len(text))
        text += part + "\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(parts) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer <</Size {size} /Root 1 0 R>>\n"
    return f"{text}{end}startxref\n{len(text)}\n%%EOF\n".encode()


@pytest.fixture
def library(files: Path) -> Path:
    folder = files / "library"
    (folder / "deep").mkdir(parents=True)
    (folder / "plain.txt").write_text("The gearbox needs oil every winter.", encoding="utf-8")
    (folder / "western.txt").write_bytes("Café und Gebäck am Nachmittag.".encode("cp1252"))
    (folder / "deep" / "guide.md").write_text(f"# Guide\n\n{LONG} Zebras live here.", "utf-8")
    (folder / "page.html").write_text(
        "<html><head><title>Owls</title><style>p {x: y}</style></head><body><nav>Menu</nav>"
        "<p>Owls hunt at <b>night</b>.</p><p>By day they sleep.</p><script>var hidden</script>",
        "utf-8",
    )
    (folder / "two.pdf").write_bytes(pdf(["Whales sing in winter.", "Bears sleep in caves."]))
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / ".hidden.txt").write_text("A secret.", "utf-8")
    return folder


async def test_a_folder_is_indexed_file_by_file(client: Client, library: Path) -> None:
    done = await call(client, "index_documents", index="docs", source=str(library))
    assert done["documents"] == 5
    assert await found(client, "bears", mode="keyword") == ["two.pdf#2"]
    answer = await call(client, "search_vectors", index="docs", query="bears", mode="keyword")
    assert answer["hits"][0]["columns"]["page"] == 2
    assert answer["hits"][0]["columns"]["document_id"] == "two.pdf"
    assert (await found(client, "which bird is awake in the dark", mode="semantic"))[0] == (
        "page.html"
    )
    assert (await found(client, "zebras", mode="keyword"))[0].startswith("deep/guide.md#")
    assert await found(client, "Gebäck", mode="keyword") == ["western.txt"]
    for unseen in ("secret", "hidden", "x: y"):
        assert await found(client, unseen, mode="keyword") == []


async def test_pieces_overlap_and_end_with_sentences(client: Client, library: Path) -> None:
    await call(client, "index_documents", index="docs", source=str(library / "deep" / "guide.md"))
    rows = await ask(client, "SELECT text FROM docs ORDER BY chunk")
    texts = [row[0] for row in rows]
    assert len(texts) > 2
    assert all(text.endswith(".") and len(text) <= 1100 for text in texts)
    for before, after in pairwise(texts):
        assert after.split(". ")[0] in before


async def test_files_that_have_not_changed_are_left_alone(client: Client, library: Path) -> None:
    first = await call(client, "index_documents", index="docs", source=str(library))
    again = await call(client, "index_documents", index="docs", source=str(library))
    assert (again["documents"], again["unchanged"]) == (0, 5)
    assert again["version"] == first["version"]
    (library / "deep" / "guide.md").write_text("Short now.", "utf-8")
    third = await call(client, "index_documents", index="docs", source=str(library))
    assert (third["documents"], third["unchanged"]) == (1, 4)
    assert await found(client, "zebras", mode="keyword") == []
    assert await found(client, "short", mode="keyword") == ["deep/guide.md"]


async def test_what_is_no_document_is_named(client: Client, library: Path, files: Path) -> None:
    (files / "broken.pdf").write_bytes(b"%PDF-1.7 nothing of a file" + b"\0" * 50)
    (files / "empty.txt").write_text(" \n", "utf-8")
    (library / "broken.pdf").write_bytes(b"%PDF-1.7")
    (files / "nothing").mkdir()
    outside = files.parent / "outside.txt"
    outside.write_text("Not for you.", "utf-8")
    (library / "link.txt").symlink_to(outside)
    for source, words in [
        (files / "broken.pdf", "cannot be read as PDF"),
        (files / "empty.txt", "has no text"),
        (library / "picture.png", "no document that can be read"),
        (files / "nothing", "has no documents"),
        (files / "absent.txt", "no file"),
        (outside, "outside the folders"),
        (files / ".." / "outside.txt", "outside the folders"),
    ]:
        said = await failure(client, "index_documents", index="docs", source=str(source))
        assert words in said, said
    done = await call(client, "index_documents", index="docs", source=str(library))
    assert [each.split(":")[0] for each in done["skipped"]] == ["broken.pdf"]
    assert await found(client, "not for you", mode="keyword") == []


async def test_long_texts_are_passages_and_replaced_as_a_whole(client: Client) -> None:
    long = {"id": "long", "text": f"{LONG} The end is a zebra.", "kind": "story"}
    done = await call(
        client, "index_documents", index="docs", source=[long, {"text": "An owl.", "kind": "x"}]
    )
    assert (done["documents"], done["passages"]) == (2, 5)
    [hit] = (await call(client, "search_vectors", index="docs", query="zebra", mode="keyword"))[
        "hits"
    ]
    assert hit["columns"] == {"kind": "story", "document_id": "long", "chunk": 4}
    short = {"id": "long", "text": "Nothing.", "kind": "story"}
    done = await call(client, "index_documents", index="docs", source=[short])
    assert done["passages"] == 2
    assert await found(client, "zebra", mode="keyword") == []
    done = await call(client, "index_documents", index="docs", source=[long])
    assert done["passages"] == 5
    done = await call(client, "index_documents", index="docs", delete=["long", "unknown"])
    assert (done["deleted"], done["passages"]) == (4, 1)
    assert await found(client, "nothing of the end", max_results=100) == [
        row[0] for row in await ask(client, "SELECT id FROM docs")
    ]


async def test_an_index_of_own_vectors_is_searched_by_vectors(client: Client) -> None:
    rows = [
        {"id": name, "text": f"The {name}.", "vector": vector}
        for name, vector in [("north", [0, 1, 0]), ("east", [1, 0, 0]), ("up", [0, 0, 5])]
    ]
    done = await call(client, "index_documents", index="docs", source=rows)
    assert (done["model"], done["dimension"]) == ("own vectors", 3)
    near = await found(client, "", mode="semantic", query_vector=[0.1, 0.1, 2])
    assert near[0] == "up"
    assert await found(client, "east", mode="keyword") == ["east"]
    assert set(await found(client, "east", query_vector=[0, 1, 0])) >= {"north", "east"}
    refused = [
        ({"query": "east"}, "query_vector"),
        ({"query": "east", "query_vector": [1, 2]}, "3 are wanted"),
    ]
    for given, words in refused:
        assert words in await failure(client, "search_vectors", index="docs", **given)
    for source, words in [
        ([{"text": "a"}], "vectors of your own"),
        ([{"text": "a", "vector": [1, 2]}], "have 3 numbers"),
        ([{"text": "a", "vector": [1, 2, "x"]}], "other things than numbers"),
        ([{"text": "a", "vector": [1, 2, 3]}, {"text": "b"}], "no usable vector"),
        ([{"text": "a", "chunk": 1}], "has for itself"),
    ]:
        assert words in await failure(client, "index_documents", index="docs", source=source)
    await call(client, "index_documents", index="other", source=[{"text": "a"}])
    said = await failure(client, "search_vectors", index="other", query="a", query_vector=[1.0])
    assert "all-MiniLM-L6-v2" in said
