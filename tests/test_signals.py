"""Processes of tests hear the signals they are sent, whoever started the suite and however."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.signals import INHERITED

ROOT = Path(__file__).parents[1]
IGNORED = (
    "import signal; print(*(number.name for number in signal.Signals if signal.getsignal(number) is signal.SIG_IGN))"
)
OF_PYTHON = {"SIGPIPE", "SIGXFSZ"}
"""Python itself ignores them."""


def test_a_process_of_a_test_ignores_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", IGNORED], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= OF_PYTHON


def test_nor_when_the_suite_was_started_with_its_signals_ignored() -> None:
    names = " ".join(number.name.removeprefix("SIG") for number in (*INHERITED, signal.SIGTERM))
    case = f"{__file__}::{test_a_process_of_a_test_ignores_nothing.__name__}"
    pytest_alone = [sys.executable, "-m", "pytest", "-q", case]
    done = subprocess.run(
        ["sh", "-c", f'trap "" {names}; exec "$@"', "sh", *pytest_alone],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


ENDED_IN_A_TASK = """
import asyncio, os, signal

async def sent():
    os.kill(os.getpid(), signal.SIGTERM)

async def waits():
    task = asyncio.ensure_future(sent())
    while True:
        await asyncio.sleep(0.01)

def test_one():
    asyncio.run(waits())

def test_two():
    print("went on")
"""


def test_sigterm_ends_the_suite_wherever_an_event_loop_is(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.signals import take_signals; take_signals()")
    (tmp_path / "test_ended.py").write_text(ENDED_IN_A_TASK)
    command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stdout
    assert "ended by signal 15" in done.stdout
    assert "went on" not in done.stdout


@pytest.mark.parametrize("number", INHERITED)
def test_the_suite_itself_goes_on_ignoring_what_was_ignored(number: signal.Signals) -> None:
    program = (
        "import os, signal; from tests.signals import take_signals;"
        f"signal.signal({number}, signal.SIG_IGN); take_signals(); os.kill(os.getpid(), {number}); print('goes on')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "goes on\n"
