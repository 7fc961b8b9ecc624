"""Who acts, and what they may do.

The name is for the audit log. The level comes from Postgres alone (``store.tenant.actor_level``), so no client can raise it.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

Source = Literal["api", "cli", "ui", "worker", "reconciler"]
"""Where a call came from; written to run logs."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts."""

    name: str
    """OS user, or the name a service gives itself."""
    address: str | None = None
    """Address of the SSH client, where there is one."""
    source: Source = "api"

    @classmethod
    def of_this_process(cls, source: Source, environment: Mapping[str, str] = os.environ) -> Self:
        """The user this process runs as, with the address it was reached from over SSH.

        The user is asked of the system, not of ``$USER``, which anybody can set.
        """
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            # A container's user need not have an entry.
            name = f"uid {os.getuid()}"
        connection = environment.get("SSH_CONNECTION", "").split()
        return cls(name, connection[0] if connection else None, source)
