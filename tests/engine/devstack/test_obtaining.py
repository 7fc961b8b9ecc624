"""Where the Temporal programs come from: what is there is taken, what is not is obtained once, visibly, and whole or not at all.

Networks and compilers are stood in for by programs on a PATH of the test's own; a proxy that refuses keeps the download out.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from pathlib import Path

import pytest

from engine.devstack.fetching import exclusive, run_visibly
from engine.devstack.temporal_cli import GO_MODULE, TemporalCli, cached_cli, find_cli, obtain_cli
from engine.errors import Invalid, Unavailable
from engine.settings import Settings
from tests import time_skipping
from tests.engine.devstack.bare_machine import GO, MAVEN, Machine
from tests.engine.devstack.processes_seen import silent


def test_the_order_in_which_it_is_found(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_cli(Settings.load()) is None
    cached = cached_cli()
    assert cached.is_relative_to(machine.cache)
    cached.parent.mkdir(parents=True)
    cached.write_text("")
    assert find_cli(Settings.load()) is None, "what cannot be run is not found"
    cached.chmod(0o755)
    assert find_cli(Settings.load()) == TemporalCli(cached, "cache")
    on_path = machine.install("temporal")
    assert find_cli(Settings.load()) == TemporalCli(on_path, "PATH")
    named = machine.install("of-mine")
    monkeypatch.setenv("RUNSTUDIO_TEMPORAL_CLI", str(named))
    assert find_cli(Settings.load()) == TemporalCli(named, "RUNSTUDIO_TEMPORAL_CLI")


@pytest.mark.parametrize("name", ["missing", "", "directory"])
def test_a_named_program_that_is_none_is_not_replaced_by_another(machine: Machine, tmp_path: Path, name: str) -> None:
    machine.install("temporal")
    (tmp_path / "directory").mkdir()
    with pytest.raises(Invalid) as refusal:
        find_cli(Settings.load(temporal_cli=tmp_path / name))
    assert refusal.value.code == "TEMPORAL_CLI_MISSING"


def test_without_any_way_each_way_says_why(machine: Machine) -> None:
    with pytest.raises(Unavailable) as refusal:
        obtain_cli(Settings.load(), silent)
    assert refusal.value.code == "TEMPORAL_CLI_NOT_OBTAINED"
    assert "download" in refusal.value.details["reasons"]["download"]
    assert refusal.value.details["reasons"]["Go build"] == "There is no `go` program on the PATH."
    assert "TEMPORAL_ADDRESS" in refusal.value.hint
    assert os.listdir(machine.cache / "runstudio" / "bin") == [".temporal.lock"]


def test_it_is_built_with_go_once(machine: Machine) -> None:
    machine.install("go", GO)
    cli = obtain_cli(Settings.load(), silent)
    assert cli == TemporalCli(cached_cli(), "Go build")
    assert os.access(cli.path, os.X_OK)
    assert obtain_cli(Settings.load(), silent) == TemporalCli(cli.path, "cache")
    assert machine.builds.read_text() == f"{GO_MODULE}\n"


def test_a_failed_build_leaves_nothing_and_shows_the_compiler(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("go", GO)
    monkeypatch.setenv("GO_FAILS", "1")
    with pytest.raises(Unavailable, match="undefined: everything") as refusal:
        obtain_cli(Settings.load(), silent)
    assert "example.com/wood" not in refusal.value.message, "what only says how far it came is no reason"
    assert os.listdir(machine.cache / "runstudio" / "bin") == [".temporal.lock"]


async def test_two_programs_build_once(machine: Machine) -> None:
    machine.install("go", GO)
    machine.finish.unlink()
    program = (
        "import sys; from engine.devstack.temporal_cli import obtain_cli; from engine.settings import Settings;"
        "print(obtain_cli(Settings.load(), lambda text: print(text, file=sys.stderr)).source)"
    )
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=-1, stderr=-1) for _ in range(2)
    ]
    waiting = re.compile(rb"another process is obtaining the Temporal server: \d+ s\n")

    async def follow(process: asyncio.subprocess.Process) -> str:
        assert process.stdout is not None
        assert process.stderr is not None
        async for line in process.stderr:
            if waiting.fullmatch(line):
                # The build lasts until the other one waits for it.
                machine.finish.touch()
        return (await process.stdout.read()).decode().strip()

    async with asyncio.timeout(120):
        sources = await asyncio.gather(*(follow(process) for process in processes))
        assert [await process.wait() for process in processes] == [0, 0]
    assert sorted(sources) == ["Go build", "cache"]
    assert machine.builds.read_text().count("\n") == 1


def test_the_time_skipping_server_comes_as_jars(machine: Machine) -> None:
    with pytest.raises(Unavailable) as refusal:
        time_skipping.obtain_program(silent)
    assert refusal.value.code == "TIME_SKIPPING_NOT_OBTAINED"
    assert refusal.value.details["reasons"]["Maven"] == "There is no `java` program on the PATH."
    java = machine.install("java")
    machine.install("mvn", MAVEN)
    obtained = time_skipping.obtain_program(silent)
    assert obtained.source == "Maven"
    assert obtained.command[0] == str(java)
    assert f"{obtained.path}/*" in obtained.command
    assert os.listdir(obtained.path) == ["server.jar"]
    assert time_skipping.obtain_program(silent).source == "cache"


def test_a_downloaded_time_skipping_server_is_preferred(machine: Machine) -> None:
    native = machine.cache / "runstudio" / "bin" / "temporal-test-server"
    native.parent.mkdir(parents=True)
    native.write_text("")
    native.chmod(0o755)
    found = time_skipping.find_program()
    assert found is not None
    assert found.command == (str(native),)


def test_a_program_that_takes_too_long_is_ended() -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable) as refusal:
        run_visibly(["/bin/sleep", "60"], progress=silent, text="sleeping", seconds=0.5)
    assert refusal.value.code == "PROGRAM_FAILED"
    assert "was not done after" in refusal.value.message, "no code of an end that is ours"
    assert time.monotonic() - started < 30


def test_a_lock_that_does_not_come_free_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        exclusive(lock, seconds=1, waiting=lambda _elapsed: None),
        pytest.raises(Unavailable) as refusal,
        exclusive(lock, seconds=0.2, waiting=lambda _elapsed: None),
    ):
        pass
    assert refusal.value.code == "LOCK_NOT_FREE"
    assert str(lock) in refusal.value.message
