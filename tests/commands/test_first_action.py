"""docs/first-action.md, followed to the letter: its files are written and its commands run, up to the run in the studio."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.client import Engine
from engine.devstack.fetching import ProgressLine
from engine.devstack.stack import running_environment
from engine.devstack.temporal_cli import obtain_cli
from engine.settings import Settings
from runstudio_tui.app import StudioApp
from runstudio_tui.config import StudioConfig
from tests.commands.conftest import PATIENCE_SECONDS, ROOT
from tests.engine.devstack.processes_seen import kill, processes_of

PAGE = ROOT / "docs" / "first-action.md"
STUDIO = "runstudio\n"
"""The block that opens the studio; all other commands end by themselves."""


@dataclass(frozen=True)
class Block:
    """A fenced block of the page."""

    language: str
    text: str
    file: str | None
    """The path in the line above it; None for commands."""


def blocks_of(page: str) -> list[Block]:
    """All fenced blocks, in their order."""
    fenced = re.compile(r"(?:^`([^`\n]+)`\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    found = [Block(language, text, file or None) for file, language, text in fenced.findall(page)]
    assert len(found) * 2 == len(re.findall(r"^```", page, re.MULTILINE)), "a block has no language"
    return found


@dataclass(frozen=True)
class Walk:
    """A directory that was empty, and a shell in it."""

    directory: Path
    data_dir: Path
    environment: dict[str, str]

    def run(self, commands: str) -> str:
        """Their standard output; every one of them must succeed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, (commands, done)
        return done.stdout

    def write(self, file: str, text: str) -> None:
        path = self.directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    # Short, because Unix socket paths have a limit.
    parent = Path(tempfile.mkdtemp(prefix="rs-"))
    program = obtain_cli(Settings.load(), ProgressLine()).path
    directory = tmp_path / "empty"
    directory.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "RUNSTUDIO_DATA_DIR": str(parent / "data"),
        "RUNSTUDIO_TEMPORAL_CLI": str(program),
    }
    yield Walk(directory, parent / "data", environment)
    kill(*processes_of(parent / "data"))
    shutil.rmtree(parent, ignore_errors=True)


async def until(condition: Callable[[], bool], app: StudioApp) -> None:
    """Wait for what the studio shows sooner or later."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"it did not come; the screen shows:\n{shown(app)}"
        await asyncio.sleep(0.05)


def shown(app: StudioApp) -> str:
    """What is drawn, as text."""
    strips = app.screen._compositor.render_strips()  # the one way to read a whole frame as text
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def look(walk: Walk) -> None:
    """Open the studio on the stack, see the run, and open it."""
    variables = running_environment(Settings.load(data_dir=walk.data_dir))
    settings = Settings.load(
        database_url=variables["DATABASE_URL"], temporal_address=variables["TEMPORAL_ADDRESS"], data_dir=walk.data_dir
    )
    config = StudioConfig(glyphs="unicode", timezone="UTC", multiplexer="none", state_dir=str(walk.directory.parent))
    app = StudioApp(Engine(settings), config)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(lambda: "Open a ticket" in shown(app) and "succeeded" in shown(app), app)
        await pilot.press("enter")
        await until(lambda: type(app.screen).__name__ == "RunScreen" and "create" in shown(app), app)


@pytest.mark.timeout(900)  # a dozen programs, each of which may take its time
async def test_the_page_leads_from_an_empty_directory_to_a_run_in_the_studio(walk: Walk) -> None:
    blocks = blocks_of(PAGE.read_text(encoding="utf-8"))
    assert [block.text for block in blocks].count(STUDIO) == 1
    assert list(walk.directory.iterdir()) == []
    for block in blocks:
        if block.file is not None:
            walk.write(block.file, block.text)
        elif block.text == STUDIO:
            await look(walk)
            [run] = json.loads(walk.run("runstudio runs list --json"))["runs"]
            state = json.loads(walk.run(f"runstudio runs state {run['run_id']} --step create --json"))["state"]
            assert state["after"]["value"]["vars"]["ticket"]["ticket_id"].startswith("T-")
        else:
            assert block.language == "sh"
            walk.run(block.text)
    assert processes_of(walk.data_dir) == {}


def test_the_readme_has_the_action_and_the_commands_of_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    section = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## Your first action\n")[2].partition("\n## ")[0]
    )
    [code] = blocks_of(section)
    assert code in [replace(block, file=None) for block in blocks_of(page)]
    commands = [line.partition("#")[0].strip() for line in section.splitlines() if line.startswith("    runstudio ")]
    assert len(commands) == 3
    for command in commands:
        assert command in page
