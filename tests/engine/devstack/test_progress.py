"""What a person sees while a program is obtained: one line that moves on a terminal, a line every half minute elsewhere."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from engine.devstack.fetching import ProgressLine
from engine.devstack.temporal_cli import obtain_cli
from engine.settings import Settings
from tests.engine.devstack.bare_machine import GO, Machine

REPOSITORY = Path(__file__).parents[3]
BUILDING = "building the Temporal server with Go: "
BUILT = re.compile(re.escape(BUILDING) + r"2 of about 1,300 packages, [1-9]\d* s")


class Clock:
    """A clock that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_without_a_terminal_a_topic_has_a_line_every_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with ProgressLine(clock=clock) as progress:
        for second in range(95):
            clock.seconds = second
            progress(f"building: {second} s")
        progress("starting")
        progress("starting")
        progress("building: 95 s")
    expected = "building: 0 s\nbuilding: 30 s\nbuilding: 60 s\nbuilding: 90 s\nstarting\nstarting\nbuilding: 95 s\n"
    assert capsys.readouterr().err == expected


def test_on_a_terminal_a_topic_has_one_line_that_is_rewritten(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    with ProgressLine() as progress:
        for text in ("building: 99 of 100", "building: 1 s", "starting", "fetching: " + "x" * 100):
            progress(text)
    shown = f"\rbuilding: 99 of 100\r{'building: 1 s':<19}\nstarting\n\rfetching: {'x' * 29}\n"
    assert capsys.readouterr().err == shown


def hearing_until(heard: list[str], pattern: re.Pattern[str], then: Callable[[], None]) -> Callable[[str], None]:
    def hear(text: str) -> None:
        heard.append(text)
        if pattern.fullmatch(text):
            then()

    return hear


def test_a_build_says_how_many_packages_are_done(machine: Machine) -> None:
    machine.install("go", GO)
    machine.finish.unlink()
    heard: list[str] = []
    obtain_cli(Settings.load(), hearing_until(heard, BUILT, machine.finish.touch))
    assert "only this once" in heard[0]
    first, *later = [text for text in heard if text.startswith(BUILDING)]
    assert first == f"{BUILDING}0 s"
    # About one a second; which seconds those are, and when the output is read, is up to the machine.
    assert any(BUILT.fullmatch(text) for text in later)


def test_a_download_says_how_much_is_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    heard_of_it = threading.Event()

    class Server:
        async def shutdown(self) -> None:
            pass

    async def start_local(*, download_dest_dir: str) -> Any:
        part = Path(download_dest_dir) / "temporal.downloading"
        part.write_bytes(bytes(2_340_000))
        await asyncio.to_thread(heard_of_it.wait)
        part.chmod(0o755)
        part.rename(part.with_suffix(""))
        return Server()

    monkeypatch.setattr(WorkflowEnvironment, "start_local", start_local)
    heard: list[str] = []
    some = re.compile(r"downloading the Temporal server: 2\.3 MB, \d+ s")
    assert obtain_cli(Settings.load(), hearing_until(heard, some, heard_of_it.set)).source == "download"
    assert heard[1] == "downloading the Temporal server: 0.0 MB, 0 s"
    assert any(some.fullmatch(text) for text in heard)


@pytest.mark.parametrize("command", ["up", "studio"])
def test_the_commands_keep_to_one_line_on_a_terminal(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    machine.install("go", GO)
    machine.finish.unlink()
    monkeypatch.setenv("GO_FAILS", "1")
    for name in ("DATABASE_URL", "TEMPORAL_ADDRESS"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("RUNSTUDIO_DATA_DIR", str(tmp_path / "data"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "runstudio_tui", "dev", command],
        cwd=REPOSITORY, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    shown = ""
    try:
        # The end of the output is an error here, because nobody has the other side open any more.
        while chunk := _read(master):
            shown += chunk
            if len(set(BUILT.findall(shown))) >= 2:
                machine.finish.touch()
    finally:
        process.kill()
        process.wait()
        os.close(master)
    lines = shown.split("\r\n")
    assert len([line for line in lines if BUILDING in line]) == 1, shown
    assert len([line for line in lines if line.startswith("TEMPORAL_CLI_NOT_OBTAINED")]) == 1, shown


def _read(master: int) -> str:
    try:
        return os.read(master, 65_536).decode()
    except OSError:
        return ""
