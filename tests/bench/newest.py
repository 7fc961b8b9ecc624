"""``python -m tests.bench.newest``: DBOS's newest release, beside the pinned one, if there is a newer one than that.

It goes into a directory of its own with what it needs, so that a contender can run on it while everything else stays as pinned.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

NAME: Final = "dbos"
PACKAGES: Final = Path(__file__).parents[2] / "build" / "dbos-newest"
_VERSION: Final = PACKAGES.with_suffix(".txt")


def main() -> int:
    """0, also when the package index cannot be asked: the page then says that it was not."""
    shutil.rmtree(PACKAGES, ignore_errors=True)
    _VERSION.unlink(missing_ok=True)
    asked = _pip("index", "versions", NAME)
    newest = newest_of(asked.stdout)
    if newest is None:
        print(f"The newest release of {NAME} is not known: {asked.stderr.strip()[-200:]}")
        return 0
    if newest != version(NAME):
        _pip("install", "--target", str(PACKAGES), f"{NAME}=={newest}").check_returncode()
    _VERSION.parent.mkdir(exist_ok=True)
    _VERSION.write_text(newest, encoding="utf-8")
    return 0


def newest_of(listing: str) -> str | None:
    """The version that ``pip index versions`` names first."""
    found = re.match(rf"{NAME} \(([^)]+)\)", listing)
    return found[1] if found else None


def newer_release() -> tuple[str, Path] | None:
    """The newest release and where it is installed; None when the pinned one is the newest, or nobody asked."""
    known = _known()
    return None if known is None or known == version(NAME) else (known, PACKAGES)


def told() -> str:
    """For the table of versions."""
    return _known() or "not asked for"


def _known() -> str | None:
    return _VERSION.read_text(encoding="utf-8") if _VERSION.exists() else None


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
