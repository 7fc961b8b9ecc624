"""The rules of the studio's structure that no import contract can hold."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

import runstudio_tui
from runstudio_tui.actions import BY_ID

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
DRIVERS = ("sqlalchemy", "psycopg", "temporalio")
VOCABULARY = (
    "engine.advice",
    "engine.wording",
    "engine.errors",
    "engine.ids",
    "engine.records",
    "engine.values",
    "engine.definition.issues",
)
"""What the studio's own parts know of the engine: its records, and what those are made of."""


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


def nodes() -> list[type[DOMNode]]:
    """Every widget and screen of the studio, and the app."""
    found: set[type[DOMNode]] = set()
    for info in pkgutil.walk_packages([str(ROOT)], "runstudio_tui."):
        if ".commands" in info.name or info.name.endswith(".__main__"):
            continue
        module = importlib.import_module(info.name)
        for thing in vars(module).values():
            if inspect.isclass(thing) and issubclass(thing, DOMNode) and thing.__module__ == info.name:
                found.add(thing)
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


def test_no_widget_fetches_wherever_it_lives() -> None:
    """Screens hold stores, which ask ports. A widget awaits nothing, and knows neither backend nor poller."""
    widgets = [kind for kind in nodes() if issubclass(kind, Widget) and not issubclass(kind, Screen)]
    assert {kind.__module__.split(".")[1] for kind in widgets} == {"screens", "widgets"}
    for kind in widgets:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Await), kind
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            assert name not in ("backend", "Poller", "OnDemand"), (kind, name)


def test_every_key_is_one_of_the_action_table() -> None:
    """But those that move inside one widget, and those of the two pages that stand where no screen does."""
    others: dict[str, set[str]] = {}
    for kind in nodes():
        for binding in kind.__dict__.get("BINDINGS", ()):
            assert isinstance(binding, Binding)
            if binding.id in BY_ID:
                assert binding.key == ",".join(BY_ID[binding.id].keys)
                assert binding.action == f"act('{binding.id}')"
            else:
                others.setdefault(kind.__name__, set()).update(binding.key.split(","))
    arrows = {"up", "down", "pageup", "pagedown"}
    assert others == {
        "ConnectingScreen": {"r", "q", "escape", "ctrl+q", "ctrl+c"},
        "TooSmallScreen": {"q", "ctrl+q", "ctrl+c"},
        "ListingDialog": {"q"},
        "PaletteDialog": arrows,
        "WorkflowDialog": arrows,
        "StepList": {"left", "h", "right"},
        "TimelineList": {"left", "right"},
        "Choice": {"left", "right", "space"},
        "TextButton": {"enter", "space"},
    }


def test_no_key_is_looked_at_by_its_name() -> None:
    """A key that code compares is one that no table knows."""
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert not node.name.startswith("key_") or node.name in ("key_text", "key_of"), f"{path}: {node.name}"
            if isinstance(node, ast.Compare):
                assert "event.key" not in ast.unparse(node), f"{path}:{node.lineno}"


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
    """Fresh process: importing state and rules loads neither Textual nor Rich, no driver, and of the engine its records."""
    modules = [f"runstudio_tui.{package}"]
    modules += [
        f"runstudio_tui.{package}.{path.stem}" for path in (ROOT / package).glob("*.py") if path.stem != "__init__"
    ]
    loaded = loaded_by(*modules)
    assert not {name for name in loaded if name.split(".")[0] in ("textual", "rich", *DRIVERS)}
    assert engine_beyond_its_records(loaded) == []


def test_the_studio_on_made_up_runs_loads_neither_engine_nor_driver() -> None:
    loaded = loaded_by("runstudio_tui.app", "runstudio_tui.backend.worlds.demo", "runstudio_tui.docs")
    assert not {name for name in loaded if name.split(".")[0] in DRIVERS}
    assert engine_beyond_its_records(loaded) == []


def loaded_by(*modules: str) -> list[str]:
    """Names of all modules in a fresh process that imported these."""
    code = f"import json, sys, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names: list[str] = json.loads(done.stdout)
    assert set(modules) <= set(names)
    return names


def engine_beyond_its_records(loaded: list[str]) -> list[str]:
    """Modules of the engine that are neither in ``VOCABULARY`` nor a package around it."""
    return [
        name
        for name in loaded
        if name.split(".")[0] == "engine"
        and not any(f"{known}.".startswith(f"{name}.") or name.startswith(f"{known}.") for known in VOCABULARY)
    ]
