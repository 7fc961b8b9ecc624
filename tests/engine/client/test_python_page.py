"""docs/python.md is true: its examples run on real servers and print what it says, and it names everything there is."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, RunStatus, errors
from engine.errors import EngineError
from tests.engine.client.front_door import methods_of, unopened
from tests.engine.operations.conftest import definition

README = Path(__file__).parents[3] / "README.md"
PAGE = README.parent / "docs" / "python.md"


@dataclass(frozen=True)
class Block:
    """One example."""

    line: int
    source: str

    @property
    def prints(self) -> list[str]:
        """What it says that it prints."""
        return re.findall(r"# -> (.*)$", self.source, re.MULTILINE)


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(text[: match.start(1)].count("\n"), match[1]) for match in found]


async def run(block: Block, names: dict[str, Any]) -> list[str]:
    """Execute it as the body of a coroutine, or, where it awaits nothing, in a thread; the lines it prints."""
    padded = "\n" * block.line + block.source
    code = compile(padded, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    printed: list[str] = []
    # Not by capturing stdout, where the worker writes its log.
    names["print"] = lambda *values: printed.append(" ".join(map(str, values)))
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, names)  # noqa: S307 # our own page
    else:
        await asyncio.to_thread(eval, code, names)
    return printed


@pytest.mark.usefixtures("worker")
async def test_every_example_does_what_it_says(environment: dict[str, str], context: object) -> None:
    examples = blocks(PAGE)
    assert sum(len(block.prints) for block in examples) > 15
    names: dict[str, Any] = {}
    [opening, *others] = examples
    assert await run(opening, names) == opening.prints
    async with Engine.from_env(actor="billing-service") as engine:
        for block in others:
            # Those that open an engine of their own leave that of the page as it is.
            names["engine"] = engine
            assert await run(block, names) == block.prints, f"{PAGE.name}:{block.line}"


@pytest.mark.usefixtures("worker")
async def test_the_example_of_the_readme_runs(environment: dict[str, str], context: object) -> None:
    [block] = [block for block in blocks(README) if "Engine.from_env" in block.source]
    names: dict[str, Any] = {}
    async with Engine.from_env() as engine:
        await engine.workflows.publish(definition("order-fulfilment"))
        assert await run(block, names) == []
    assert names["done"].status is RunStatus.SUCCEEDED


def test_every_method_is_named() -> None:
    rows = dict(re.findall(r"^\| `engine\.(\w+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    named = {group: sorted(re.findall(r"`(\w+)`", told)) for group, told in rows.items()}
    assert list(named.items()) == [(group, sorted(names)) for group, names in methods_of(unopened()).items()]


def test_every_kind_of_error_is_named() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    kinds = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, EngineError)}
    assert kinds - {"EngineError"} <= told
