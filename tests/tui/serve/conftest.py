"""``runstudio serve`` as a process of its own, on the demo world."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 240.0


@dataclass(frozen=True)
class Served:
    """One that serves."""

    process: subprocess.Popen[str]
    home: Path
    address: str
    port: int
    token: str

    @property
    def origin(self) -> str:
        """Where its own pages come from."""
        return f"http://127.0.0.1:{self.port}"

    def studios(self) -> list[psutil.Process]:
        """The processes of the studios that are open."""
        return psutil.Process(self.process.pid).children(recursive=True)


def start(home: Path, *words: str) -> subprocess.Popen[str]:
    """Start it; its output can be read."""
    return subprocess.Popen(
        [sys.executable, "-m", "runstudio_tui", *words],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TZ": "UTC"},
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The studio on the demo world, waiting for a browser."""
    process = start(tmp_path, "--demo", "serve")
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/([\w-]{40,})/", address)
    assert found is not None, (address, process.communicate())
    yield Served(process, tmp_path, address, int(found[1]), found[2])
    process.terminate()
    process.communicate(timeout=PATIENCE_SECONDS)
