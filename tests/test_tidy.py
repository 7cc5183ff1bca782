"""The house stays tidy: sizes, names and words that a reader must never meet."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "server").rglob("*.py"))
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


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_file_has_one_subject(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= FUNCTION_LINES_MAX]
    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_module_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not tree.body or ast.get_docstring(tree)


def swallows_everything(handler: ast.ExceptHandler) -> bool:
    """Tell whether it catches whatever comes, and does not raise it again."""
    caught = ast.unparse(handler.type) if handler.type else "BaseException"
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    return caught in {"Exception", "BaseException"} and not raises


def test_only_the_outermost_loops_catch_everything() -> None:
    catching = {
        path.relative_to(ROOT / "server" / "servicetsunami").as_posix()
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
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
