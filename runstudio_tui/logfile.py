"""The studio's log file: what goes wrong inside it, for whoever mends it. The screen is no place for a traceback."""

from __future__ import annotations

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

_LARGEST: Final = 1_000_000
_KEPT: Final = 2


class _OwnersOnly(RotatingFileHandler):
    """Readable by its owner alone: a traceback may name ids and hosts."""

    def _open(self):  # type: ignore[no-untyped-def]  # the base class names an internal type
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, self.mode, encoding="utf-8")


def log_to(directory: Path) -> Path | None:
    """Log the studio's own troubles to ``directory/studio.log``, nowhere else. None when that cannot be written."""
    logger = logging.getLogger("runstudio_tui")
    logger.propagate = False
    path = directory / "studio.log"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = _OwnersOnly(path, maxBytes=_LARGEST, backupCount=_KEPT)
    except OSError:
        logger.addHandler(logging.NullHandler())
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    return path
