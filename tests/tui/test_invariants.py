"""The rules of the studio's structure that no import contract can hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import runstudio_tui

ROOT = Path(runstudio_tui.__file__).parent
WORLD = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.monotonic",
    "time.sleep",
    "time.perf_counter",
    "asyncio.sleep",
    "os.environ",
    "os.getenv",
    "secrets.token_hex",
    "uuid.uuid4",
}
WORLD_MODULES = {"random", "time", "secrets", "uuid"}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """Every file of the studio, but the commands (they are programs, not screens)."""
    for path in sorted(ROOT.rglob("*.py")):
        if "commands" not in path.parts:
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def dotted(node: ast.AST) -> str:
    """``a.b`` of an attribute, else empty."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


def test_only_the_clock_knows_the_time_and_only_the_config_the_environment() -> None:
    found: list[str] = []
    for path, tree in sources():
        if path.name in ("clock.py", "config.py", "cli.py"):
            continue
        for node in ast.walk(tree):
            if dotted(node) in WORLD:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {dotted(node)}")  # type: ignore[attr-defined]  # expressions have one
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                )
                found += [f"{path.relative_to(ROOT)}: import {name}" for name in names if name in WORLD_MODULES]
    assert found == []


def test_no_public_function_of_a_list_takes_a_row_number() -> None:
    """Identity is an id. Places exist only inside the list and its sources."""
    tree = ast.parse((ROOT / "widgets" / "virtual_list.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == "VirtualList":
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    names = {argument.arg for argument in method.args.args}
                    assert not names & {"row", "index", "place", "row_index"}, method.name


def test_ports_are_awaited_in_stores_and_flows_never_in_widgets() -> None:
    for path, tree in sources():
        if path.parent.name != "widgets":
            continue
        awaited = [node for node in ast.walk(tree) if isinstance(node, ast.Await)]
        assert not awaited, path


def test_markup_is_never_parsed() -> None:
    """No widget that reads markup is used for text of ours."""
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "textual.widgets":
                names = {alias.name for alias in node.names}
                assert not names & {
                    "Static",
                    "Label",
                    "Markdown",
                    "RichLog",
                    "DataTable",
                    "OptionList",
                    "Tree",
                    "Button",
                }, path


@pytest.mark.parametrize("package", ["domain", "store", "ports", "actions", "text", "clock"])
def test_the_rules_run_without_a_terminal_library(package: str) -> None:
    """Fresh process: importing state and rules loads neither Textual nor Rich nor any driver."""
    modules = [f"runstudio_tui.{package}"]
    modules += [
        f"runstudio_tui.{package}.{path.stem}" for path in (ROOT / package).glob("*.py") if path.stem != "__init__"
    ]
    foreign = ("textual", "rich", "sqlalchemy", "psycopg", "temporalio", "engine")
    code = f"import sys, {', '.join(modules)}; print([m for m in sys.modules if m.split('.')[0] in {foreign}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_stay_small() -> None:
    for path, _ in sources():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, path
