"""docs/publishing.md lists what publishing can say: neither more nor less than the code does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DEFINITION = ROOT / "engine" / "definition"
OPERATION = ROOT / "engine" / "operations" / "catalog" / "publish.py"
COMMAND = ROOT / "runstudio_tui" / "commands" / "publish.py"
SEVERITIES = ("error", "warning")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its first two lines."""
    page = (ROOT / "docs" / "publishing.md").read_text(encoding="utf-8")
    [section] = [part for part in page.split("\n## ") if part.startswith(f"{heading}\n")]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def findings() -> set[tuple[str, str]]:
    """(code, severity) of every ``place.error(...)`` and ``place.warning(...)``.

    Where the code is a parameter of the function around it, it is what the callers of that function name.
    """
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(DEFINITION.glob("*.py"))]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, Function)]
    found: set[tuple[str, str]] = set()
    for function in functions:
        parameters = [argument.arg for argument in function.args.args]
        for call in calls(function):
            if not isinstance(call.func, ast.Attribute) or call.func.attr not in SEVERITIES:
                continue
            code = call.args[0]
            if text(code) is not None:
                found.add((str(text(code)), call.func.attr))
                continue
            assert isinstance(code, ast.Name), f"{function.name}: the code cannot be read from the source"
            position = parameters.index(code.id)
            named = [
                text(other.args[position])
                for tree in trees
                for other in calls(tree)
                if isinstance(other.func, ast.Name) and other.func.id == function.name
            ]
            assert named, f"nobody calls {function.name}"
            assert None not in named, f"{function.name}: a caller's code cannot be read from the source"
            found |= {(str(name), call.func.attr) for name in named}
    return found


def refusals(module: Path, function: str) -> set[str]:
    """Codes of the refusals in a function and in the functions of its module that it calls."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}
    waiting, seen, found = [function], set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for call in calls(functions[name]):
            called = call.func.id if isinstance(call.func, ast.Name) else ""
            if called in functions:
                waiting.append(called)
            code = text(call.args[0]) if call.args else None
            if called in {"Invalid", "NotFound", "Conflict"} and code is not None:
                found.add(code)
    return found


def test_every_finding_is_on_the_page_with_its_severity() -> None:
    listed = [(code.strip("`"), severity) for code, severity, *_ in rows("Findings")]
    assert listed == sorted(set(listed)), "sorted, and each once"
    assert set(listed) == findings()


def test_every_refusal_is_on_the_page() -> None:
    operation, command = refusals(OPERATION, "publish_definition"), refusals(COMMAND, "publish")
    assert operation
    assert command
    assert {code.strip("`") for code, *_ in rows("Refusals")} == operation | command


def test_every_row_says_what_it_means_and_what_to_do() -> None:
    for code, *cells in [*rows("Findings"), *rows("Refusals")]:
        assert re.fullmatch(r"`[A-Z_]+`", code)
        assert all(cells), code
