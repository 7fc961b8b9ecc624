"""Pictures of exporting. What must be looked at stands in the docstring of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.widgets.filter_bar import LineInput

SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((120, 36), id="120x36")]
LOOKS = [pytest.param({"glyphs": "ascii"}, id="ascii"), pytest.param({"color": False}, id="no-colour")]
sizes = pytest.mark.parametrize("size", SIZES)
Picture = Callable[[Any, str], None]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the folder of the pictures, which is relative, is the same in every one."""
    monkeypatch.chdir(tmp_path)


@sizes
async def test_a_run(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """Title with workflow and short id; JSON alone; the suggested name in the focus; the folder below it."""
    async with studio(size=size, export_dir="exports") as session:
        await session.press("enter", "e")
        picture(session, "run")


@sizes
async def test_a_list(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """How many runs match; two formats, the chosen one in the focus; a name with the workflow and the time."""
    async with studio(size=size, export_dir="exports", filter_text="wf:stock-sync") as session:
        await session.press("e")
        picture(session, "list")


@pytest.mark.parametrize("look", LOOKS)
async def test_a_list_in_every_look(studio: Any, picture: Picture, look: dict[str, Any]) -> None:
    """The same in ASCII, and without colours."""
    async with studio(export_dir="exports", **look) as session:
        await session.press("e")
        picture(session, "list")


async def test_a_name_that_is_refused(studio: Any, picture: Picture) -> None:
    """Why, in the tone of attention; the button is dim."""
    async with studio(export_dir="exports") as session:
        await session.press("e")
        session.screen.query_one("#name", LineInput).value = "../runs.csv"
        await session.settle()
        picture(session, "refused")


async def test_one_that_exists(studio: Any, picture: Picture, tmp_path: Path) -> None:
    """What ctrl+s does now."""
    (tmp_path / "runs-20260115-104321.csv").write_text("mine")
    async with studio(export_dir=".") as session:
        await session.press("e", "ctrl+s")
        await session.until(lambda: "exists" in session.said)
        picture(session, "exists")


async def test_on_the_way(studio: Any, picture: Picture, backend: FakeBackend) -> None:
    """The fields rest, the button says Exporting, the other one Stop and has the focus."""
    async with studio(export_dir="exports") as session:
        backend.hold("runs.export_list")
        await session.press("e", "ctrl+s")
        picture(session, "exporting")
        await session.press("escape")
        await session.until(lambda: "stopped" in session.said)


@sizes
async def test_written(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """Name, number, size and folder; one button left."""
    async with studio(size=size, export_dir="exports") as session:
        await session.press("e", "ctrl+s")
        await session.until(lambda: "saved" in session.said)
        picture(session, "written")
