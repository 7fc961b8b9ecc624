"""Variables of the earlier system, which chose an engine or a queue per process. They are named once and have no effect."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase

from engine.contract import IGNORED_VARIABLES


def ignored_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The names in ``environment`` that once selected something and are ignored now."""
    return sorted(name for name in environment if any(fnmatchcase(name, pattern) for pattern in IGNORED_VARIABLES))
