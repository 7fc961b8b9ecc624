"""How soon the studio is there: from the start of the process to the first row, and the state of a step of a long run."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.client.engine import Engine
from engine.errors import Conflict
from engine.settings import Settings
from tests.bench.long_list import READY
from tests.bench.long_run import STEPS_PER_ITEM, write_long_run
from tests.bench.measuring import Measurement, Sample, Verdict, percentile
from tests.bench.servers import Servers, libpq

NAME = "studio"

COLUMNS, LINES = 120, 36
FIRST_ROW = b"order-fulfilment"
PATIENCE_SECONDS = 30.0
TYPICAL_SECONDS, CEILING_SECONDS = 1.0, 2.5
VERSION_MILLISECONDS = 150.0
STATE_MILLISECONDS = 300.0
ITEMS = 5_000
LOADED_ROWS = 100_000
KEY_MILLISECONDS = 50.0
LONG_LIST_MIDDLE = b"\x1b[6~"
"""Page down: away from the top, so that every key of the list has somewhere to go."""
LIST_KEYS = (b"j", b"j", b"k", b"\x1b[6~", b"j", b"\x1b[5~")
IDLE_SECONDS = 5.0
ROOT = Path(__file__).parents[2]
PROGRAM = str(Path(sys.executable).with_name("runstudio"))


async def measure(servers: Servers, *, quick: bool) -> Measurement:
    """See the module."""
    rounds = 3 if quick else 9
    result = Measurement(
        NAME,
        "Start of the studio",
        f"`runstudio --demo` on a pseudo-terminal of {COLUMNS}x{LINES}, from the start of the process to the bytes of the first"
        " row; `runstudio --version` from start to end; a key to the first byte it causes, in a list of"
        f" {LOADED_ROWS:,} loaded runs. Medians; in brackets the smallest and the largest. The state pane asks"
        f" the engine for the scopes before and after steps of one run of {ITEMS * STEPS_PER_ITEM:,} steps and more, from its"
        " last one upwards, the way an operator walks back from a failure, then at random.",
        ("", "milliseconds"),
    )
    _to_first_row()
    rows, versions = [], []
    for _ in range(rounds):
        rows.append(_to_first_row() * 1000)
        versions.append(_version() * 1000)
    row, version = Sample(tuple(rows)), Sample(tuple(versions))
    result.rows = [
        ("process start to first row", f"{row.median:.0f} ({row.spread})"),
        ("runstudio --version", f"{version.median:.0f} ({version.spread})"),
    ]
    result.verdicts = [
        Verdict(
            "process start to first row, typical",
            f"at most {TYPICAL_SECONDS:g} s",
            f"{row.median / 1000:.2f} s",
            row.median <= TYPICAL_SECONDS * 1000,
        ),
        Verdict(
            "process start to first row, the slowest",
            f"at most {CEILING_SECONDS:g} s",
            f"{max(rows) / 1000:.2f} s",
            max(rows) <= CEILING_SECONDS * 1000,
        ),
        Verdict(
            "runstudio --version",
            f"at most {VERSION_MILLISECONDS:.0f} ms",
            f"{version.median:.0f} ms",
            version.median <= VERSION_MILLISECONDS,
        ),
    ]
    _keys(result, presses=60 if quick else 600)
    await _state_pane(result, servers, moves=20 if quick else 200)
    return result


def _keys(result: Measurement, *, presses: int) -> None:
    times, idle = _key_to_paint(presses)
    p95 = percentile(times, 0.95)
    result.rows += [
        (f"key to paint, list of {LOADED_ROWS:,} loaded rows, p50", f"{percentile(times, 0.5):.0f} (p95 {p95:.0f})"),
        (f"bytes in {IDLE_SECONDS:.0f} idle seconds", str(idle)),
    ]
    result.verdicts += [
        Verdict(
            f"key to paint, list of {LOADED_ROWS:,} loaded rows, p95",
            f"at most {KEY_MILLISECONDS:.0f} ms",
            f"{p95:.0f} ms",
            p95 <= KEY_MILLISECONDS,
        ),
        Verdict(f"bytes in {IDLE_SECONDS:.0f} idle seconds", "0", str(idle), idle == 0),
    ]


async def _state_pane(result: Measurement, servers: Servers, *, moves: int) -> None:
    url = servers.database()
    run = write_long_run(libpq(url), ITEMS)
    chosen = random.Random(1)
    asked = [*reversed(run.steps[-moves // 2 :]), *(chosen.choice(run.steps) for _ in range(moves // 2))]
    times = []
    try:
        async with Engine(Settings(database_url=url)) as engine:
            await engine.runs.get(run.run_id)
            for path, iteration in asked:
                began = time.perf_counter()
                try:
                    found = await engine.runs.state(run.run_id, path, iteration=iteration)
                    assert found.after is not None, found.missing
                except Conflict as refused:
                    # Given up after some seconds: the time until then is the figure.
                    if refused.code != "TOO_LONG":
                        raise
                times.append((time.perf_counter() - began) * 1000)
    finally:
        servers.drop(url)
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    result.rows += [
        (f"state of the first step asked for, of {len(run.steps):,}", f"{times[0]:.0f}"),
        (
            f"state of the next {moves - 1}, p50",
            f"{percentile(times[1:], 0.5):.0f} (p99 {percentile(times[1:], 0.99):.0f})",
        ),
    ]
    result.verdicts.append(
        Verdict(
            f"state pane of a run of {len(run.steps):,} steps, the first",
            f"at most {STATE_MILLISECONDS:.0f} ms",
            f"{times[0]:.0f} ms",
            times[0] <= STATE_MILLISECONDS,
        )
    )
    result.verdicts.append(
        Verdict(
            f"state pane of a run of {len(run.steps):,} steps, p50",
            f"at most {STATE_MILLISECONDS:.0f} ms",
            f"{p50:.0f} ms (p99 {p99:.0f} ms)",
            p50 <= STATE_MILLISECONDS,
        )
    )


def _version() -> float:
    began = time.perf_counter()
    subprocess.run([PROGRAM, "--version"], check=True, capture_output=True)
    return time.perf_counter() - began


@contextmanager
def _terminal(*command: str) -> Iterator[int]:
    """A program on a pseudo-terminal: the descriptor of its other end."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=ROOT, start_new_session=True
    )
    os.close(slave)
    try:
        yield master
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(master)


def _read_until(master: int, wanted: bytes, patience: float = PATIENCE_SECONDS) -> None:
    seen = b""
    while wanted not in seen:
        if not select.select([master], [], [], patience)[0]:
            raise RuntimeError(f"The studio has not shown {wanted!r} after {patience:.0f} s: {seen[-500:]!r}")
        seen += os.read(master, 65536)


def _to_first_row() -> float:
    began = time.perf_counter()
    with _terminal(PROGRAM, "--demo") as master:
        _read_until(master, FIRST_ROW)
        return time.perf_counter() - began


def _key_to_paint(presses: int) -> tuple[list[float], int]:
    """Milliseconds from a key in the long list to what it makes the studio write; and bytes written in some seconds of rest."""
    times = []
    with _terminal(sys.executable, "-m", "tests.bench.long_list", str(LOADED_ROWS)) as master:
        _read_until(master, READY, patience=10 * PATIENCE_SECONDS)
        os.write(master, LONG_LIST_MIDDLE)
        _until_quiet(master)
        for number in range(presses):
            began = time.perf_counter()
            os.write(master, LIST_KEYS[number % len(LIST_KEYS)])
            if not select.select([master], [], [], PATIENCE_SECONDS)[0]:
                raise RuntimeError("A key made the studio write nothing.")
            times.append((time.perf_counter() - began) * 1000)
            _until_quiet(master)
        idle = 0
        while select.select([master], [], [], IDLE_SECONDS)[0]:
            idle += len(os.read(master, 65536))
    return times, idle


def _until_quiet(master: int) -> None:
    while select.select([master], [], [], 0.1)[0]:
        os.read(master, 65536)
