"""Paraphrases are found best by both ways of searching, and better by meaning than by words.

They are verses in two translations that have hardly a word in common; `python -m benchmarks --only
quality` has the figures over all verses.
"""

from pathlib import Path
from statistics import mean

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from benchmarks.verses import ndcg, verses
from servicetsunami.engines.vectors.embedding import DIMENSION, packaged
from servicetsunami.engines.vectors.shelves import Shelves, fused

pytestmark = pytest.mark.slow

DOCUMENTS = 240
QUESTIONS = 120
CLEARLY = 0.03


def test_paraphrases_are_found_by_meaning_and_best_by_both(tmp_path: Path) -> None:
    known = [each for each in verses() if each.is_paraphrase][:DOCUMENTS]
    asked = known[:QUESTIONS]
    texts = [each.text for each in known] + [each.query for each in asked]
    vectors = packaged().embed(texts)
    column = pa.array(list(vectors[:DOCUMENTS]), type=pa.list_(pa.float32()))
    rows = pa.table({"id": [v.id for v in known], "text": texts[:DOCUMENTS], "vector": column})
    write_deltalake(tmp_path / "table", rows)
    shelf = Shelves().open(tmp_path / "table", 0, tmp_path / "index", DIMENSION)

    def gain(*, by_meaning: bool, by_words: bool) -> float:
        gains = []
        for each, vector in zip(asked, vectors[DOCUMENTS:], strict=True):
            query = each.query if by_words else None
            hits = fused(shelf, vector if by_meaning else None, query, 10, None)
            gains.append(ndcg([hit.id for hit in hits], each.id))
        return mean(gains)

    semantic = gain(by_meaning=True, by_words=False)
    keyword = gain(by_meaning=False, by_words=True)
    hybrid = gain(by_meaning=True, by_words=True)
    assert hybrid >= semantic > keyword + CLEARLY, (hybrid, semantic, keyword)
