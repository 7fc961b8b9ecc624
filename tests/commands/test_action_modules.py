"""``--actions``: what its words mean, and where modules are found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.settings import Settings
from runstudio_tui.commands.action_modules import action_modules


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where Python looks, as ``runstudio`` finds it: not in the current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["/of/the/program"])
    return sys.path


def test_commas_and_repetitions_name_several_each_once(path: list[str]) -> None:
    settings = Settings.load(action_modules=("installed", "a"))
    assert action_modules(settings, ["a, b", "c,,b", ""]) == ("installed", "a", "b", "c")


def test_the_option_looks_in_the_current_directory_first(path: list[str], tmp_path: Path) -> None:
    for _ in range(2):
        action_modules(Settings.load(), ["a"])
    assert path == [str(tmp_path), "/of/the/program"]


@pytest.mark.parametrize("given", [None, [], [" , "]])
def test_the_variable_alone_does_not(path: list[str], given: list[str] | None) -> None:
    assert action_modules(Settings.load(action_modules=("installed",)), given) == ("installed",)
    assert path == ["/of/the/program"]


def test_a_deleted_current_directory_has_no_modules(
    path: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert action_modules(Settings.load(), ["a"]) == ("a",)
    assert path == ["/of/the/program"]
