"""The structure is part of the product: these tests fail when it decays."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for folder in ("engine", "runstudio_tui", "migrations", "examples") for path in (ROOT / folder).rglob("*.py")
)
WRITTEN = SOURCES + sorted((ROOT / "tests").rglob("*.py"))
"""Everything that somebody reads and changes, tests included."""
TEXTS = SOURCES + sorted((ROOT / "docs").rglob("*.md")) + [ROOT / "README.md", ROOT / "compose.yaml"]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_import_contract_gives_its_reason() -> None:
    lines = (ROOT / ".importlinter").read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("[importlinter:contract:"):
            assert lines[number - 1].startswith("# "), f"no reason above {line}"


def test_top_level_is_the_agreed_one() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    top = {name.split("/")[0] for name in tracked if name}
    allowed = {
        "pyproject.toml", "runstudio_tui", "engine", "migrations", "tests", "compose.yaml", "README.md", "CHANGELOG.md",
        "LICENSE", "Makefile", "requirements.lock", "docs", "examples", ".ci", ".gitignore", ".importlinter",
        "requirements-bench.lock", "Dockerfile", ".dockerignore", ".github", ".pre-commit-config.yaml",
    }  # fmt: skip
    assert top <= allowed, sorted(top - allowed)


def test_every_python_file_of_the_repository_is_looked_at() -> None:
    tracked = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {ROOT / name for name in tracked.splitlines() if (ROOT / name).exists()} <= set(WRITTEN)
    assert {relative(path).split("/")[0] for path in WRITTEN} == {
        "engine", "runstudio_tui", "migrations", "examples", "tests",
    }  # fmt: skip


@pytest.mark.parametrize("path", WRITTEN, ids=relative)
def test_no_source_file_above_500_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


@pytest.mark.parametrize("path", WRITTEN, ids=relative)
def test_names_say_what_is_inside(path: Path) -> None:
    vague = {"util", "utils", "helper", "helpers", "common", "misc", "manager"}
    assert not vague & set(re.split(r"[/_.]", relative(path)))


def test_workflow_uses_only_the_workflow_part_of_the_sdk() -> None:
    allowed = {"temporalio.workflow", "temporalio.exceptions", "temporalio.common"}
    for path in (ROOT / "engine" / "workflow").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = (
                    [f"{node.module}.{a.name}" for a in node.names] if node.module == "temporalio" else [node.module]
                )
            for name in names:
                if name.startswith("temporalio"):
                    assert name in allowed, f"{relative(path)} imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_base_exception_is_caught_in_pure_or_workflow_code(path: Path) -> None:
    if not relative(path).startswith(
        ("engine/workflow", "engine/interpreter", "engine/expression", "engine/definition")
    ):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "bare except"
            assert "BaseException" not in caught, f"{relative(path)}:{node.lineno}"
            assert node.type is not None, f"{relative(path)}:{node.lineno}"


def test_nothing_selects_an_engine_or_a_queue() -> None:
    """The earlier system's switches appear in one place only: the list of variables that are named and ignored."""
    switches = re.compile(r"WORKFLOW_RUNTIME_V2_(ENABLE|TEMPORAL_TASK_QUEUE)")
    found = {relative(path) for path in TEXTS if path.exists() and switches.search(path.read_text())}
    assert found <= {"engine/contract.py", "docs/deployment.md"}, found


def test_no_control_of_the_old_system_and_no_unfinished_work() -> None:
    """Retry, Resume and Requeue are not controls; nothing is left to be done."""
    unfinished = re.compile("TO" + r"DO|FIX" + "ME|XXX")
    for path in TEXTS:
        if path.exists():
            assert not unfinished.search(path.read_text()), relative(path)
    control = re.compile(r"""(label|title|help|action|Binding\()[^\n]{0,40}["'](Retry|Resume|Requeue)\b""")
    for path in (ROOT / "runstudio_tui").rglob("*.py"):
        assert not control.search(path.read_text()), relative(path)
