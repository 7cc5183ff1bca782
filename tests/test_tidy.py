"""The house stays tidy: sizes, names and words that a reader must never meet."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXTS = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "server").rglob("*.py"))}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|HA" r"CK)\b")
OUTERMOST_LOOPS = {
    "engines/workers/serving.py",
    "services/job_engine.py",
    "services/long_work.py",
    "services/run_records.py",
    "sync/worker.py",
}


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """The sources, parsed once."""
    return {path: ast.parse(text) for path, text in TEXTS.items()}


def test_a_file_has_one_subject() -> None:
    lengths = {path.name: len(text.splitlines()) for path, text in TEXTS.items()}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_a_function_fits_on_a_screen(trees: dict[Path, ast.Module]) -> None:
    long = [
        f"{path.name}: {node.name}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert long == []


def test_every_module_says_what_it_is(trees: dict[Path, ast.Module]) -> None:
    silent = [path for path, tree in trees.items() if tree.body and not ast.get_docstring(tree)]
    assert silent == []


def swallows_everything(handler: ast.ExceptHandler) -> bool:
    """Tell whether it catches whatever comes, and does not raise it again."""
    caught = ast.unparse(handler.type) if handler.type else "BaseException"
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    return caught in {"Exception", "BaseException"} and not raises


def test_only_the_outermost_loops_catch_everything(trees: dict[Path, ast.Module]) -> None:
    catching = {
        path.relative_to(ROOT / "server" / "servicetsunami").as_posix()
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and swallows_everything(node)
    }
    assert catching <= OUTERMOST_LOOPS


def test_nothing_is_left_unfinished() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "server", "tests"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    marked = [
        name
        for name in listed.stdout.split()
        if name.endswith(".py") and UNFINISHED.search((ROOT / name).read_text(encoding="utf-8"))
    ]
    assert marked == []
