"""The file of an export: whole under its name, or not there."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Conflict, EngineError, Invalid
from runstudio_tui.export_file import ExportFile, refuse_existing


def names(folder: Path) -> list[str]:
    """What is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def test_it_has_its_name_when_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    with ExportFile(path) as file:
        file.write("one\n")
        file.write("Zoë\n")
        assert not path.exists()
        [part] = names(tmp_path)
        assert part.startswith(".runstudio-")
        assert part.endswith(".part")
        file.finish()
    assert names(tmp_path) == ["runs.csv"]
    assert path.read_bytes() == "one\nZoë\n".encode()
    assert file.size == 9
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("broken", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_nothing_is_left_of_one_that_broke(tmp_path: Path, broken: type[BaseException]) -> None:
    def export() -> None:
        with ExportFile(tmp_path / "runs.csv") as file:
            file.write("one\n")
            raise broken

    with pytest.raises(broken):
        export()
    assert names(tmp_path) == []


def test_nothing_is_left_of_one_that_was_not_finished(tmp_path: Path) -> None:
    with ExportFile(tmp_path / "runs.csv") as file:
        file.write("one\n")
    assert names(tmp_path) == []
    with pytest.raises(RuntimeError):
        file.finish()


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("mine")
    with pytest.raises(Conflict) as refused:
        ExportFile(path)
    assert (refused.value.code, refused.value.message) == ("FILE_EXISTS", f"{path} exists.")
    assert names(tmp_path) == ["runs.csv"]
    assert path.read_text() == "mine"


def test_an_existing_file_is_replaced_when_that_was_said(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("mine")
    with ExportFile(path, replace=True) as file:
        file.write("new")
        assert path.read_text() == "mine"
        file.finish()
    assert (names(tmp_path), path.read_text()) == (["runs.csv"], "new")


@pytest.mark.parametrize("with_links", [True, False])
def test_a_file_that_came_meanwhile_is_left_alone(
    tmp_path: Path, with_links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_links:
        monkeypatch.setattr(os, "link", _no_links)
    path = tmp_path / "runs.csv"
    with ExportFile(path) as file:
        file.write("new")
        path.write_text("mine")
        with pytest.raises(Conflict) as refused:
            file.finish()
    assert refused.value.code == "FILE_EXISTS"
    assert (names(tmp_path), path.read_text()) == (["runs.csv"], "mine")


def test_it_is_finished_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    with ExportFile(tmp_path / "runs.csv") as file:
        file.write("new")
        file.finish()
    assert (names(tmp_path), (tmp_path / "runs.csv").read_text()) == (["runs.csv"], "new")


def _no_links(*_arguments: Any) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link", "pipe", "device"])
@pytest.mark.parametrize("replace", [True, False])
def test_what_is_no_ordinary_file_is_never_replaced(tmp_path: Path, kind: str, replace: bool) -> None:
    path, other = tmp_path / "it", tmp_path / "other"
    match kind:
        case "folder":
            path.mkdir()
        case "link":
            other.write_text("mine")
            path.symlink_to(other)
        case "dangling link":
            path.symlink_to(other)
        case "pipe":
            os.mkfifo(path)
        case "device":
            path = Path("/dev/null")
    before = os.lstat(path)
    with pytest.raises(Invalid) as refused:
        ExportFile(path, replace=replace)
    assert (refused.value.code, refused.value.message) == ("FILE_UNWRITABLE", f"{path} is no ordinary file.")
    assert os.path.samestat(os.lstat(path), before)


@pytest.mark.parametrize("name", ["nowhere/runs.csv", "a\0b", "x" * 5000])
def test_a_place_where_nothing_can_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        ExportFile(tmp_path / name)
    assert refused.value.code == "FILE_UNWRITABLE"
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_name_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        refuse_existing(tmp_path / name, replace=False)
    assert refused.value.code == "FILE_UNWRITABLE"


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for broken_by in ("write", "finish"):
        with ExportFile(tmp_path / "runs.csv") as file:
            monkeypatch.setattr(file, "_file", Full())
            with pytest.raises(EngineError) as refused:
                file.write("one") if broken_by == "write" else file.finish()
        assert refused.value.code == "FILE_UNWRITABLE"
        assert "No space left on device" in refused.value.message
        assert names(tmp_path) == []
