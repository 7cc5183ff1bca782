"""The two corpora: statements with the answers that Apache Spark gave."""

import json
from pathlib import Path
from typing import Any

SHARED = Path(__file__).parent / "spark_sql_corpus.json"
ORACLE = Path(__file__).parent / "oracle_corpus.json"
PARAMETERS = {"cust": "Alice", "q": 1}


def load(path: Path) -> dict[str, Any]:
    """Read a corpus."""
    return json.loads(path.read_text(encoding="utf-8"))
