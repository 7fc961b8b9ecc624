"""Writing runs into files: one from its screen, lists from the list; what is refused, asked, stopped and told."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import unicodedata
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.records import Count, ExportFormat, ExportPart, RunFilter, RunStatus
from engine.records.run_files import RUN_LISTS
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.before_cutover import before_cutover_backend
from runstudio_tui.backend.worlds.hostile import EVIL, hostile_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.domain.export_names import name_problem
from runstudio_tui.export_file import ExportFile
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line_list import LineList
from tests.tui.conftest import NOW


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files go; the studio makes it."""
    return tmp_path / "exports"


@pytest.fixture
def made(folder: Path) -> Path:
    """The folder, as an earlier export left it."""
    folder.mkdir()
    return folder


def files(folder: Path) -> list[str]:
    """What is there, hidden files too."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def name_it(session: Any, name: str) -> None:
    """Put a name into the dialog."""
    session.screen.query_one("#name", LineInput).value = name


class Slowly:
    """An export whose pieces come one at a time, when the test says so."""

    def __init__(self, backend: FakeBackend, pieces: int, *, total: int = 1000, capped: bool = False) -> None:
        self._pieces = asyncio.Semaphore(0)
        self._number, self._total = pieces, Count(total, capped)
        self.ended = False
        backend.runs.export_list = self._parts  # type: ignore[method-assign] # instead of the fake's own

    async def _parts(self, *_given: object) -> AsyncIterator[ExportPart]:
        try:
            for number in range(self._number):
                await self._pieces.acquire()
                yield ExportPart("x" * 1024, number * 250, self._total)
        finally:
            self.ended = True

    async def give(self, session: Any) -> None:
        """The next piece."""
        self._pieces.release()
        await session.settle()


# --- one run ------------------------------------------------------------------------------------------------------------


async def test_a_run_is_written_with_everything_that_is_recorded(
    studio: Any, backend: FakeBackend, folder: Path
) -> None:
    async with studio() as session:
        run = session.screen.current
        await session.press("enter", "e")
        assert "Export run order-fulfilment" in session.text
        assert session.app.focused.id == "name"
        name = session.screen.query_one("#name", LineInput).value
        assert name == f"order-fulfilment-{run.run_id[:6]}-{run.run_id[-4:]}.json"
        assert files(folder) == []
        await session.press("ctrl+s")
        await session.until(lambda: "saved" in session.said)
        assert files(folder) == [name]
        written = json.loads((folder / name).read_text())
        assert written["run"]["row"]["run_id"] == run.run_id
        assert {*RUN_LISTS} <= {*written}
        done = sum(written["counts"].values())
        assert f"saved {name} ({done:,} records, " in session.said
        assert str(folder) in session.said.replace(" ", "")
        await session.press("escape")
        assert type(session.screen).__name__ == "RunScreen"
        assert f"export: saved {name}" in session.note
    assert not [call for call in backend.calls if call.name in ("runs.start", "runs.cancel", "runs.replay")]


async def test_a_run_from_before_the_cutover(studio: Any, clock: ManualClock, folder: Path) -> None:
    backend = before_cutover_backend(clock, 300)
    run_id = backend.world.select(RunFilter())[0].run_id
    async with studio(on=backend, run_id=run_id) as session:
        await session.press("e", "ctrl+s")
        await session.until(lambda: "saved" in session.said)
    [name] = files(folder)
    written = json.loads((folder / name).read_text())
    assert (written["run"]["row"]["engine"], len(written["snapshots"])) == ("db", 300)
    assert written["snapshots"][6]["body"]["value"]["truncated"] is True
    assert written["snapshots"][0]["body"]["value"]["vars"]["api_key"] == "[REDACTED]"


async def test_a_read_only_session_may_export(studio: Any, folder: Path) -> None:
    async with studio(read_only=True) as session:
        await session.press("e", "ctrl+s")
        await session.until(lambda: "saved" in session.said)
        await session.press("escape", "enter", "e", "ctrl+s")
        await session.until(lambda: "saved" in session.said)
    assert len(files(folder)) == 2


async def test_the_path_can_be_copied(studio: Any, folder: Path) -> None:
    async with studio(clipboard="file") as session:
        await session.press("e", "ctrl+s")
        await session.until(lambda: "saved" in session.said)
        await session.press("ctrl+y")
        assert session.said.startswith("saved path (")
    [name] = files(folder)
    assert (folder.parent / "copied.txt").read_text() == str(folder / name)


async def test_the_folder_is_a_setting(studio: Any, tmp_path: Path) -> None:
    chosen = tmp_path / "mine"
    async with studio(export_dir=str(chosen)) as session:
        await session.press("e")
        assert str(chosen) in session.text.replace("\n", "").replace(" ", "").replace("│", "")
        await session.press("ctrl+s")
        await session.until(lambda: "saved" in session.said)
    assert len(files(chosen)) == 1


# --- lists --------------------------------------------------------------------------------------------------------------


async def test_all_runs_of_the_list(studio: Any, backend: FakeBackend, folder: Path) -> None:
    async with studio() as session:
        await session.press("e")
        number = len(backend.world.runs)
        assert f"Export all {number} runs" in session.text
        assert session.app.focused.id == "format"
        await session.press("ctrl+s")
        await session.until(lambda: "saved" in session.said)
        assert f"({number} runs, " in session.said
    assert files(folder) == ["runs-20260115-104321.csv"]
    rows = list(csv.DictReader(io.StringIO((folder / files(folder)[0]).read_text())))
    assert [row["run_id"] for row in rows] == [row.run_id for row in backend.world.select(RunFilter())]


async def test_the_other_format(studio: Any, backend: FakeBackend, folder: Path) -> None:
    async with studio() as session:
        await session.press("e", "right")
        assert session.screen.query_one("#name", LineInput).value == "runs-20260115-104321.ndjson"
        await session.press("ctrl+s")
        await session.until(lambda: "saved" in session.said)
    [name] = files(folder)
    lines = (folder / name).read_text().splitlines()
    assert [json.loads(line)["run_id"] for line in lines] == [row.run_id for row in backend.world.select(RunFilter())]


async def test_what_the_filter_matches_as_of_now(studio: Any, backend: FakeBackend, folder: Path) -> None:
    async with studio(filter_text="status:failed wf:invoice-intake since:24h") as session:
        await session.pass_time(600)
        await session.press("e")
        assert "Export all " in session.text
        assert "runs that match" in session.text
        await session.press("ctrl+s")
        await session.until(lambda: "saved" in session.said)
    asked, form = backend.called("runs.export_list")[0].arguments
    assert (asked.workflow, asked.statuses, form) == (
        "invoice-intake", frozenset({RunStatus.FAILED}), ExportFormat.CSV,
    )  # fmt: skip
    # The moment at which e was pressed, and not the one at which the list was opened.
    assert (
        timedelta(0) <= asked.started_from - (NOW + timedelta(seconds=600) - timedelta(hours=24)) < timedelta(seconds=5)
    )
    assert files(folder) == ["runs-invoice-intake-20260115-105321.csv"]


async def test_the_marked_runs(studio: Any, backend: FakeBackend, folder: Path) -> None:
    async with studio() as session:
        await session.press("space", "space", "down", "space")
        marked = [session.screen.store.id_at(place) for place in (0, 1, 3)]
        await session.press("e")
        assert "Export 3 marked runs" in session.text
        await session.press("ctrl+s")
        await session.until(lambda: "saved" in session.said)
        await session.press("escape")
        assert session.screen.situation().marked == 3
    rows = list(csv.DictReader(io.StringIO((folder / files(folder)[0]).read_text())))
    assert [row["run_id"] for row in rows] == marked


async def test_an_empty_list_has_nothing_to_export(studio: Any, backend: FakeBackend) -> None:
    async with studio(filter_text="id:ffffff") as session:
        await session.press("e")
        assert "export: the list is empty" in session.note
    assert backend.called("runs.export_list") == []


# --- names --------------------------------------------------------------------------------------------------------------


async def test_a_name_that_would_leave_the_folder_is_refused(studio: Any, backend: FakeBackend, folder: Path) -> None:
    names = ("", "../runs.csv", "/etc/passwd", "a/b", "a\\b", "..", ".hidden", "a\x1b[2J", "a\u202eb", "-rf", "a\ud83d")
    async with studio() as session:
        await session.press("e")
        for name in names:
            name_it(session, name)
            await session.press("ctrl+s")
            assert session.said == name_problem(name) != ""
        assert type(session.screen).__name__ == "ExportDialog"
    assert backend.called("runs.export_list") == []
    assert files(folder.parent) == []


async def test_an_existing_file_is_replaced_only_when_confirmed_again(
    studio: Any, backend: FakeBackend, made: Path
) -> None:
    folder = made
    (folder / "mine.csv").write_text("mine")
    async with studio() as session:
        await session.press("e")
        name_it(session, "mine.csv")
        await session.press("ctrl+s")
        await session.until(lambda: "exists" in session.said)
        assert session.said == "mine.csv exists: ctrl+s again replaces it"
        assert (folder / "mine.csv").read_text() == "mine"
        assert backend.called("runs.export_list") == []

        # Another name in between, and it is asked anew.
        name_it(session, "other.csv")
        await session.settle()
        name_it(session, "mine.csv")
        await session.press("ctrl+s")
        await session.until(lambda: "exists" in session.said)
        assert (folder / "mine.csv").read_text() == "mine"

        await session.press("ctrl+s")
        await session.until(lambda: "saved" in session.said)
    assert files(folder) == ["mine.csv"]
    assert (folder / "mine.csv").read_text().startswith("run_id,")


async def test_a_link_is_not_followed(studio: Any, made: Path, tmp_path: Path) -> None:
    folder = made
    (tmp_path / "precious").write_text("mine")
    (folder / "link.csv").symlink_to(tmp_path / "precious")
    async with studio() as session:
        await session.press("e")
        name_it(session, "link.csv")
        await session.press("ctrl+s", "ctrl+s")
        await session.until(lambda: "no ordinary file" in session.said)
    assert (tmp_path / "precious").read_text() == "mine"
    assert (folder / "link.csv").is_symlink()


async def test_a_folder_that_cannot_be_made(studio: Any, backend: FakeBackend, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with studio(export_dir=str(tmp_path / "file" / "below")) as session:
        await session.press("e", "ctrl+s")
        await session.until(lambda: "cannot be made" in session.said)
        assert "export_dir" in session.said
    assert backend.called("runs.export_list") == []


# --- on the way ---------------------------------------------------------------------------------------------------------


async def test_how_far_it_is_is_drawn_at_most_once_a_second(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        slowly = Slowly(backend, 20, total=5000)
        await session.press("e", "ctrl+s")
        said = [session.said]
        for _ in range(12):
            await session.clock.advance(0.25)
            await slowly.give(session)
            if session.said != said[-1]:
                said.append(session.said)
        # Three seconds, twelve pieces.
        assert said == [
            "exporting…",
            "750 of 5,000 runs, 4.0 KB",
            "1,750 of 5,000 runs, 8.0 KB",
            "2,750 of 5,000 runs, 12.0 KB",
        ]


async def test_more_than_can_be_counted(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        slowly = Slowly(backend, 9, total=500, capped=True)
        await session.press("e", "ctrl+s")
        for _ in range(2):
            await session.pass_time(1.0)
            await slowly.give(session)
        assert session.said == "250 of 500+ runs, 2.0 KB"
        for _ in range(2):
            await session.pass_time(1.0)
            await slowly.give(session)
        assert session.said == "750 runs, 4.0 KB"


async def test_escape_stops_it_and_nothing_is_kept(studio: Any, backend: FakeBackend, folder: Path) -> None:
    async with studio() as session:
        slowly = Slowly(backend, 20)
        await session.press("e", "ctrl+s")
        await slowly.give(session)
        await slowly.give(session)
        assert "[ Stop ]" in session.text
        [part] = files(folder)
        assert part.startswith(".runstudio-")
        await session.press("escape")
        await session.until(lambda: "stopped" in session.said)
        assert session.said == "stopped after 250 of 1,000 runs: nothing of it was kept"
        assert (files(folder), slowly.ended) == ([], True)
        assert "[ Close ]" in session.text
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"
        assert "export" not in session.note


async def test_one_that_was_stopped_before_it_began(studio: Any, backend: FakeBackend, folder: Path) -> None:
    async with studio() as session:
        await session.press("e")
        session.screen.confirm()
        session.screen.close()
        await session.settle()
        assert (files(folder), backend.called("runs.export_list")) == ([], [])
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_a_bug_is_told_and_leaves_nothing(
    studio: Any, backend: FakeBackend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("where it broke")

    async with studio() as session:
        monkeypatch.setattr(ExportFile, "finish", broken)
        await session.press("e", "ctrl+s")
        await session.until(lambda: "internal error" in session.said)
        assert files(folder) == []
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_one_that_was_stopped_can_be_begun_again(studio: Any, backend: FakeBackend, folder: Path) -> None:
    async with studio() as session:
        slowly = Slowly(backend, 2)
        await session.press("e", "ctrl+s")
        await slowly.give(session)
        await session.press("enter")
        await session.until(lambda: "stopped" in session.said)
        await session.press("ctrl+s")
        for _ in range(2):
            await slowly.give(session)
        await session.until(lambda: "saved" in session.said)
    assert files(folder) == ["runs-20260115-104321.csv"]


async def test_leaving_the_studio_leaves_nothing_half(studio: Any, backend: FakeBackend, folder: Path) -> None:
    async with studio() as session:
        slowly = Slowly(backend, 20)
        await session.press("e", "ctrl+s")
        await slowly.give(session)
        assert len(files(folder)) == 1
        await session.press("ctrl+q")
    assert (files(folder), slowly.ended) == ([], True)


async def test_postgres_goes_away_on_the_way(studio: Any, backend: FakeBackend, folder: Path) -> None:
    async with studio() as session:
        await session.press("e")
        gate = backend.hold("runs.export_list")
        await session.press("ctrl+s")
        backend.fail_next("runs.export_list", Unavailable("POSTGRES_UNREACHABLE", "Postgres is away.", "Try again."))
        gate.set()
        await session.until(lambda: "Postgres is away. Try again." in session.said)
        assert files(folder) == []
        await session.press("ctrl+s")
        await session.until(lambda: "saved" in session.said)
    assert len(files(folder)) == 1


async def test_a_file_that_comes_meanwhile_is_left_alone(studio: Any, backend: FakeBackend, folder: Path) -> None:
    async with studio() as session:
        slowly = Slowly(backend, 2)
        await session.press("e")
        name_it(session, "runs.csv")
        await session.press("ctrl+s")
        await slowly.give(session)
        (folder / "runs.csv").write_text("mine")
        await slowly.give(session)
        await session.until(lambda: "exists" in session.said)
    assert (files(folder), (folder / "runs.csv").read_text()) == (["runs.csv"], "mine")


# --- foreign text -------------------------------------------------------------------------------------------------------


async def test_texts_that_want_out_are_harmless_in_the_file_and_in_its_name(
    studio: Any, clock: ManualClock, folder: Path
) -> None:
    async with studio(on=hostile_backend(clock)) as session:
        for keys in (["e"], ["e", "right"], ["down", "enter", "e"]):
            await session.press(*keys, "ctrl+s")
            await session.until(lambda: "saved" in session.said)
            await session.press("escape")
    names = files(folder)
    assert [Path(name).suffix for name in sorted(names, key=lambda name: Path(name).suffix)] == [
        ".csv",
        ".json",
        ".ndjson",
    ]
    for name in names:
        text = (folder / name).read_bytes().decode("utf-8")
        assert not [sign for sign in name + text if unicodedata.category(sign) in ("Cc", "Cs", "Cf") and sign != "\n"]
        if name.endswith(".json"):
            assert json.loads(text)["run"]["row"]["workflow_name"].endswith(EVIL)


# --- where it is found --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [(), ("enter",)], ids=["list", "run"])
async def test_the_palette_and_the_help_have_it(studio: Any, keys: tuple[str, ...]) -> None:
    async with studio(size=(120, 36)) as session:
        await session.press(*keys)
        assert "e export" in session.text.split("\n")[-1]
        await session.press("ctrl+p")
        await session.type("export")
        await session.press("enter")
        assert "Export " in session.text
        await session.press("escape", "question_mark")
        help_text = session.screen.query_one(LineList).all_text
        assert "into a file" in help_text
