"""Names of files of exports: what is suggested, and what is refused so that no name leaves its folder."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from engine.records import ExportFormat, RunRow
from runstudio_tui.text import safe

LONGEST: Final = 200
"""Bytes of a name; file systems take 255, and programs add to a name."""
_LONGEST_PART: Final = 40
_UNFIT: Final = re.compile(r"[^\w.]+|_+")
"""What of an id or a name does not go into a file's name."""


def name_of_run(row: RunRow) -> str:
    """``order-fulfilment-0198c2-7f3a.json``: workflow and id as lists show it."""
    return f"{_fit(row.workflow_id) or 'run'}-{_fit(row.run_id[:6])}-{_fit(row.run_id[-4:])}.{ExportFormat.JSON.value}"


def name_of_list(workflow: str, at: datetime, form: ExportFormat) -> str:
    """``runs-billing-20260115-104321.csv``: the workflow, where a filter names one, and the time in the viewer's zone."""
    parts = ("runs", _fit(workflow), at.strftime("%Y%m%d-%H%M%S"))
    return f"{'-'.join(part for part in parts if part)}.{form.value}"


def with_format(name: str, old: ExportFormat, new: ExportFormat) -> str:
    """The name for another format, where its end says the old one."""
    end = f".{old.value}"
    return f"{name.removesuffix(end)}.{new.value}" if name.endswith(end) else name


def name_problem(name: str) -> str:
    """Why a file cannot be called that; empty when it can. A name cannot leave its folder."""
    if not name.strip():
        return "the file needs a name"
    if "/" in name or "\\" in name:
        return "a name has no / or \\: the file goes into the folder below"
    if name.startswith("."):
        return "a name that begins with a dot names a hidden file, or another folder"
    if safe(name) != name:
        return "a name has no control and no invisible characters"
    if name != name.strip() or name.startswith(("-", "~")):
        return "a name does not begin with -, ~ or a blank, nor end with a blank"
    if len(name.encode()) > LONGEST:
        return f"a name has {LONGEST} bytes at most"
    return ""


def _fit(text: str) -> str:
    return _UNFIT.sub("-", safe(text))[:_LONGEST_PART].strip("-.")
