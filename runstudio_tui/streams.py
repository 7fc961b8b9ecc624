"""The standard streams of the process, before and after anything is written to them. Imports nothing: ``--version`` needs it."""

from __future__ import annotations

import os
import sys


def open_what_is_closed() -> None:
    """A standard stream that was closed (``>&-``) becomes /dev/null: nothing is written to it, and no file takes its number."""
    # In the order of their numbers: each gets the lowest that is free.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 # until the process ends


def write_no_more() -> None:
    """What standard output still holds goes nowhere, at the exit neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
