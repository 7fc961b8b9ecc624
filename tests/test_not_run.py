"""What cannot run is told, and fails where every test must run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import programs
from tests.not_run import EVERY_TEST

ROOT = Path(__file__).resolve().parents[1]
LACKING = """
from tests import programs
from tests.not_run import needed
programs.PROGRAMS["no-such-program"] = (("no-such-program",), "its-package")
def test_works():
    needed("python3")
def test_lacks():
    needed("no-such-program")
def test_lacks_too():
    needed("no-such-program")
programs.PROGRAMS["python3"] = (("python3",), "python3")
"""


def run(path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != EVERY_TEST}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.not_run", "-c", os.devnull, "--rootdir", path.parent, path],
        cwd=ROOT, env={**environment, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def lacking(tmp_path: Path) -> Path:
    path = tmp_path / "test_lacking.py"
    path.write_text(LACKING)
    return path


def test_a_test_that_did_not_run_is_told_with_its_reason(lacking: Path) -> None:
    done = run(lacking)
    assert done.returncode == 0
    section = done.stdout.partition("did not run")[2]
    assert "2 of " in section
    assert "test_lacking.py: no-such-program is not installed (Debian: its-package)" in section
    assert "1 passed, 2 skipped" in done.stdout


def test_it_fails_where_every_test_must_run(lacking: Path) -> None:
    done = run(lacking, **{EVERY_TEST: "1"})
    assert done.returncode == 1
    assert "2 failed, 1 passed" in done.stdout
    assert "did not run, and RUN_EVERY_TEST is set: no-such-program is not installed" in done.stdout


def test_the_missing_packages_are_printed(tmp_path: Path) -> None:
    """With an empty PATH, what is only there is missing; the packages are names of Debian's."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "programs.py")],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {"openssh-client", "tmux", "chromium-headless-shell"} <= set(done.stdout.split())
    assert set(done.stdout.split()) <= {package for _, package in programs.PROGRAMS.values()}
