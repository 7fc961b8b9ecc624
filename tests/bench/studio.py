"""How soon the studio is there: from the start of the process to the first row on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.bench.measuring import Measurement, Sample, Verdict
from tests.bench.servers import Servers

NAME = "studio"

COLUMNS, LINES = 120, 36
FIRST_ROW = b"order-fulfilment"
PATIENCE_SECONDS = 30.0
TYPICAL_SECONDS, CEILING_SECONDS = 1.3, 2.5
VERSION_MILLISECONDS = 150.0
PROGRAM = str(Path(sys.executable).with_name("runstudio"))


async def measure(servers: Servers, *, quick: bool) -> Measurement:
    """See the module."""
    rounds = 3 if quick else 9
    result = Measurement(
        NAME,
        "Start of the studio",
        f"`runstudio --demo` on a pseudo-terminal of {COLUMNS}x{LINES}, from the start of the process to the bytes of the first"
        " row; `runstudio --version` from start to end. Medians; in brackets the smallest and the largest.",
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
    return result


def _version() -> float:
    began = time.perf_counter()
    subprocess.run([PROGRAM, "--version"], check=True, capture_output=True)
    return time.perf_counter() - began


def _to_first_row() -> float:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    began = time.perf_counter()
    process = subprocess.Popen(
        [PROGRAM, "--demo"], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    )
    os.close(slave)
    try:
        seen = b""
        while FIRST_ROW not in seen:
            if not select.select([master], [], [], PATIENCE_SECONDS)[0]:
                raise RuntimeError(f"The studio has shown no row after {PATIENCE_SECONDS:.0f} s: {seen[-500:]!r}")
            seen += os.read(master, 65536)
        return time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(master)
