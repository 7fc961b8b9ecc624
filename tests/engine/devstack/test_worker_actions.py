"""The modules with actions of the stack's worker: kept over repairs, never taken away, and refused when it lacks one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engine.devstack.stack import DevStack
from engine.errors import Conflict, Unavailable
from tests.engine.devstack.processes_seen import MakeStack, kill, silent

WithActions = Callable[..., DevStack]
NAMES = ("made_up_crm", "made_up_erp")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with two modules."""
    yield _directory_with_modules(tmp_path / "here", monkeypatch)
    _forget()


@pytest.fixture
def with_actions(make_stack: MakeStack, postgres_url: str, temporal_address: str) -> WithActions:
    """The stack with these modules; only the worker is its own to start."""
    servers = {"database_url": postgres_url, "temporal_address": temporal_address}
    return lambda *modules: make_stack(action_modules=modules, **servers)


def _directory_with_modules(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path.mkdir()
    for name in NAMES:
        (path / f"{name}.py").write_text("")
    _forget()
    monkeypatch.chdir(path)
    monkeypatch.syspath_prepend(str(path))
    return path


def _forget() -> None:
    for name in NAMES:
        sys.modules.pop(name, None)


def worker_of(stack: DevStack) -> psutil.Process:
    return psutil.Process(next(part.pid for part in stack.status().parts if part.part == "worker"))


def test_whoever_joins_gets_the_worker_with_the_modules_it_has(with_actions: WithActions, here: Path) -> None:
    stack = with_actions("made_up_crm", "made_up_erp")
    assert stack.up(silent).actions == ("made_up_crm", "made_up_erp")
    worker = worker_of(stack)
    assert worker.cmdline()[-2:] == ["--actions", "made_up_crm,made_up_erp"]
    assert worker.environ()["RUNSTUDIO_ACTIONS"] == ""
    for modules in ((), ("made_up_erp",), ("made_up_erp", "made_up_crm")):
        info = with_actions(*modules).up(silent)
        assert (info.started, info.actions) == ((), ("made_up_crm", "made_up_erp")), modules
    assert worker_of(stack) == worker


def test_a_module_the_running_worker_lacks_is_refused_before_anything_is_changed(
    with_actions: WithActions, here: Path
) -> None:
    stack = with_actions("made_up_crm")
    stack.up(silent)
    worker = worker_of(stack)
    with pytest.raises(Conflict) as refused:
        with_actions("made_up_erp").up(silent)
    assert refused.value.code == "STACK_HAS_OTHER_ACTIONS"
    assert f"without made_up_erp ({here / 'made_up_erp.py'}). It has made_up_crm." in refused.value.message
    assert "`runstudio dev down`" in refused.value.hint
    assert "--actions made_up_crm to keep" in refused.value.hint
    assert worker_of(stack) == worker
    assert stack.status().kept

    stack.down(silent)
    assert with_actions("made_up_erp").up(silent).actions == ("made_up_erp",)


def test_the_same_name_in_another_directory_is_another_module(
    with_actions: WithActions, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_actions("made_up_crm").up(silent)
    there = _directory_with_modules(tmp_path / "there", monkeypatch)
    with pytest.raises(Conflict) as refused:
        with_actions("made_up_crm").up(silent)
    assert refused.value.details == {
        "asked": {"made_up_crm": str(there / "made_up_crm.py")},
        "running": {"made_up_crm": str(here / "made_up_crm.py")},
    }


@pytest.mark.faults
def test_a_killed_worker_comes_back_with_its_modules_and_its_directory(
    with_actions: WithActions, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = with_actions("made_up_crm")
    stack.up(silent)
    kill(worker_of(stack).pid)
    monkeypatch.chdir(tmp_path)
    info = with_actions().up(silent)
    assert (info.started, info.actions) == (("worker",), ("made_up_crm",))
    assert worker_of(stack).cwd() == str(here)


@pytest.mark.faults
def test_modules_that_are_gone_are_told_and_nothing_is_started_without_them(
    with_actions: WithActions, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = with_actions("made_up_crm")
    stack.up(silent)
    kill(worker_of(stack).pid)
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(here)
    with pytest.raises(Unavailable) as refused:
        with_actions().up(silent)
    assert refused.value.code == "ACTIONS_DIRECTORY_MISSING"
    assert str(here) in refused.value.message
    assert [part.condition for part in stack.status().parts] == ["external", "external", "stopped"]


@pytest.mark.faults
def test_without_a_worker_other_modules_may_be_asked_for(with_actions: WithActions, here: Path) -> None:
    stack = with_actions("made_up_crm")
    stack.up(silent)
    kill(worker_of(stack).pid)
    info = with_actions("made_up_erp").up(silent)
    assert (info.started, info.actions) == (("worker",), ("made_up_erp",))
