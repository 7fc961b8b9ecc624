"""Programs that only tests need and that no lock brings. ``python3 tests/programs.py`` prints the packages that are missing.

A test that lacks one does not run, and says so (``tests/not_run.py``); ``.ci/run`` installs what is missing where it may.
"""

from __future__ import annotations

import os
import shutil
from typing import Final

PROGRAMS: Final = {
    "sshd": (("sshd",), "openssh-server"),
    "ssh": (("ssh",), "openssh-client"),
    "pgbouncer": (("pgbouncer",), "pgbouncer"),
    "sudo": (("sudo",), "sudo"),
    "tmux": (("tmux",), "tmux"),
    "chromium": (("chromium-headless-shell", "chromium", "google-chrome"), "chromium-headless-shell"),
}
"""What a program may be called, and its package."""


def find(name: str) -> str | None:
    """The path of a program; None when it is not installed."""
    # Daemons are where a user's PATH need not lead.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    names, _ = PROGRAMS[name]
    return next(filter(None, (shutil.which(called, path=path) for called in names)), None)


def missing() -> list[str]:
    """Packages of the programs that are not installed."""
    return [package for name, (_, package) in PROGRAMS.items() if find(name) is None]


if __name__ == "__main__":
    print(*missing())
