"""Who acts, and what vouches for it. What they may do is asked of the database (``store.tenant.members``).

A name that a program gives itself is a remark beside the actor: it is written down, and decides nothing.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, Self

Source = Literal["api", "cli", "ui", "worker", "reconciler"]
"""Where a call came from; written to run logs."""
KnownBy = Literal["account", "sudo", "service"]
"""``account``: the process runs as it. ``sudo``: it called sudo, which runs the process. ``service``: a part of the engine."""

_PROCESSES: Final = Path("/proc")
_DEEPEST: Final = 64
"""Of parents that are looked at."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts."""

    name: str
    """The account, or the name of a part of the engine."""
    address: str | None = None
    """Address of the SSH client, where there is one."""
    source: Source = "api"
    known_by: KnownBy = "account"
    remark: str | None = None
    """The name that the program gave itself."""

    @classmethod
    def of_this_process(
        cls, source: Source, environment: Mapping[str, str] = os.environ, *, remark: str | None = None
    ) -> Self:
        """The account that called sudo, where sudo runs this process, else the account it runs as.

        The account is asked of the system, not of ``$USER``; ``$SUDO_USER``, which anybody can set as well, counts only below a
        sudo that runs as root and was started by that account.
        """
        address = _address(environment.get("SSH_CONNECTION", ""))
        caller = _called_sudo(environment)
        if caller is not None:
            return cls(caller, address, source, "sudo", remark)
        return cls(_account(os.getuid()), address, source, "account", remark)

    def groups(self) -> tuple[str, ...]:
        """Names of the Unix groups of a person's account; none of a service, and none where the account is unknown here."""
        if self.known_by == "service":
            return ()
        try:
            entry = pwd.getpwnam(self.name)
        except (KeyError, ValueError):
            return ()
        return tuple(_group_names(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def _address(connection: str) -> str | None:
    """The client's address in sshd's ``client port server port``; None for a variable that sshd has not written."""
    words = connection.split()
    try:
        return str(ip_address(words[0])) if words else None
    except ValueError:
        return None


def _group_names(numbers: list[int]) -> list[str]:
    names = []
    for number in numbers:
        try:
            names.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return names


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # A container's user need not have an entry.
        return f"uid {uid}"


def _called_sudo(environment: Mapping[str, str]) -> str | None:
    """The account that sudo says has called it; None without one, and where it has not started the sudo above this process."""
    name, uid = environment.get("SUDO_USER"), environment.get("SUDO_UID")
    if not name or not uid or not uid.isascii() or not uid.isdigit() or len(uid) > 10 or _account(int(uid)) != name:
        return None
    return name if _sudo_was_started_by(int(uid), os.getppid()) else None


def _sudo_was_started_by(uid: int, pid: int) -> bool:
    """Whether ``uid`` runs what is above the nearest sudo, from ``pid`` on: below it anybody can change its variables."""
    below = False
    for _ in range(_DEEPEST):
        try:
            lines = (_PROCESSES / str(pid) / "status").read_text("utf-8", "replace").splitlines()
        except OSError:
            return False
        facts = dict(line.split(":", 1) for line in lines if ":" in line)
        # The real user, and the effective one: sudo is started by the person, and runs as root.
        users = facts.get("Uid", "").split()[:2]
        is_sudo = facts.get("Name", "").strip() == "sudo" and users[1:] == ["0"]
        # It can be two processes, of which one watches the terminal.
        if below and not is_sudo:
            return str(uid) in users
        below = below or is_sudo
        parent = facts.get("PPid", "0").strip()
        if not parent.isdigit() or int(parent) < 1:
            return False
        pid = int(parent)
    return False
