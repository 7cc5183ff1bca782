"""How well each way of searching finds what was asked for, over two translations of one text.

The constant of the fusion was chosen on every other question; these are the figures of the rest.
"""

from collections.abc import Sequence
from statistics import mean
from typing import Any, Final

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.stdio import StdioServer
from benchmarks.verses import Verse, ndcg, recall, verses

_QUESTIONS: Final = 500
_AT_ONCE: Final = 500
_BEST: Final = 10
_MODES: Final = ("semantic", "keyword", "hybrid")
_CLEARLY: Final = 1.1
"""Paraphrases are found so many times better by meaning than by words, at least."""


def measure(bench: Bench) -> list[Figure]:
    """Ask with a verse of one translation for the same verse of another."""
    known = verses()[: bench.rows(10_000)]
    with bench.ours("quality") as server:
        for at in range(0, len(known), _AT_ONCE):
            source = [{"id": each.id, "text": each.text} for each in known[at : at + _AT_ONCE]]
            server.call("index_documents", index="verses", source=source)
        questions = bench.rows(_QUESTIONS)
        plain = _gains(server, known[: 2 * questions][1::2])
        paraphrases = [each for each in known if each.is_paraphrase][1::2][:questions]
        far = _gains(server, paraphrases)
    return [*_fused("verses", plain), *_fused("paraphrases", far), *_meant(far)]


def _meant(gains: dict[str, dict[str, float]]) -> list[Figure]:
    """Searching by meaning beside searching by words."""
    return [
        Figure(
            name=f"{name} of semantic beside keyword, paraphrases",
            unit="of 1",
            ours=ours,
            baseline=gains["keyword"][name],
            ratio_min=_CLEARLY,
        )
        for name, ours in gains["semantic"].items()
    ]


def _fused(kind: str, gains: dict[str, dict[str, float]]) -> list[Figure]:
    """Both ways together beside the better one alone; and each of them, to be read."""
    figures = []
    for name, ours in gains["hybrid"].items():
        parts = {mode: gains[mode][name] for mode in ("semantic", "keyword")}
        figures += [
            Figure(name=f"{name} of {mode}, {kind}", unit="of 1", ours=gain)
            for mode, gain in parts.items()
        ]
        best = max(parts.values())
        figures.append(
            Figure(
                name=f"{name} of hybrid beside the better of them, {kind}",
                unit="of 1",
                ours=ours,
                baseline=best,
                ratio_min=1.0,
            )
        )
    return figures


def _gains(server: StdioServer, asked: Sequence[Verse]) -> dict[str, dict[str, float]]:
    """The mean gain of each way of searching."""
    gains = {}
    for mode in _MODES:
        found = [(_found(server, each.query, mode), each.id) for each in asked]
        gains[mode] = {
            f"nDCG@{_BEST}": mean(ndcg(ids, wanted) for ids, wanted in found),
            f"recall@{_BEST}": mean(recall(ids, wanted) for ids, wanted in found),
        }
    return gains


def _found(server: StdioServer, query: str, mode: str) -> list[str]:
    given: dict[str, Any] = {"index": "verses", "query": query, "mode": mode}
    return [hit["id"] for hit in server.call("search_vectors", **given, max_results=_BEST)["hits"]]
