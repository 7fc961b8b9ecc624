"""Makes the parts of docs/ that are made from the code: ``python -m runstudio_tui.docs`` writes keys.md and the pictures.

Tests compare what is there with what would be written, so that neither can fall behind the code.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from runstudio_tui.actions import ACTIONS, Scope, key_text
from runstudio_tui.app import StudioApp
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.config import StudioConfig
from runstudio_tui.domain.catalog import Level
from runstudio_tui.domain.filter_text import KEYS

_NOW: Final = datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)
_HEADINGS: Final = {
    Scope.RUNS: "Runs",
    Scope.RUN: "One run",
    Scope.LIST: "In every list",
    Scope.DIALOG: "In dialogs",
    Scope.EVERYWHERE: "Everywhere",
}


def keys_page() -> str:
    """docs/keys.md: every action with its keys, what it does, what it needs, and its command."""
    parts = [
        "# Keys",
        "",
        "Made from the action table (`runstudio_tui/actions.py`) by `python -m runstudio_tui.docs`.",
        "`?` shows the same in the studio. Single letters do nothing while a text is being typed.",
    ]
    for scope, heading in _HEADINGS.items():
        parts += [
            "",
            f"## {heading}",
            "",
            "| keys | action | what it does | needs | command |",
            "| --- | --- | --- | --- | --- |",
        ]
        for action in ACTIONS:
            if action.scope is scope:
                keys = " ".join(f"`{_cell(key_text(key))}`" for key in action.keys)
                needs = action.needs.name.lower() if action.needs is not Level.NONE else ""
                command = f"`{_cell(action.cli.replace('{run}', 'RUN_ID'))}`" if action.cli else ""
                parts.append(f"| {keys} | {action.label} | {action.help} | {needs} | {command} |")
    parts += [
        "",
        "## The filter line",
        "",
        "Words are joined with AND; what has no key is searched in the workflow name.",
        "",
    ]
    parts += ["| key | meaning | values |", "| --- | --- | --- |"]
    parts += [f"| `{key.key}:` | {key.meaning} | {', '.join(f'`{value}`' for value in key.values)} |" for key in KEYS]
    return "\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: what is pressed in the demo before it is taken."""

    name: str
    keys: tuple[str, ...]
    waits: float = 0.5
    """Seconds that pass before it is taken."""
    filter_text: str = "since:24h"


PICTURES: Final = (
    Picture("runs", ("down",)),
    Picture("run", ("down", "enter")),
    Picture("stuck", ("enter",), waits=4.5),
    Picture("cancel", ("space", "space", "space", "c")),
    Picture("start", ("n", "enter")),
)


async def take(picture: Picture) -> str:
    """One picture as SVG, the same every time."""
    clock = ManualClock(_NOW)
    with tempfile.TemporaryDirectory() as state:
        config = StudioConfig(theme="dark", glyphs="unicode", timezone="UTC", multiplexer="none", state_dir=state)
        app = StudioApp(demo_backend(clock), config, clock, filter_text=picture.filter_text)
        async with app.run_test(size=(120, 34)) as pilot:
            await pilot.pause()
            await clock.advance(0.5)
            await pilot.pause()
            for key in picture.keys:
                await pilot.press(key)
                await clock.advance(0.2)
                await pilot.pause()
            await clock.advance(picture.waits)
            await pilot.pause()
            return app.export_screenshot(title="Run Studio", simplify=True)


def write(docs: Path) -> list[Path]:
    """Write everything under ``docs``; returns the files."""
    written = [docs / "keys.md"]
    written[0].write_text(keys_page(), encoding="utf-8")
    (docs / "pictures").mkdir(exist_ok=True)
    for picture in PICTURES:
        path = docs / "pictures" / f"{picture.name}.svg"
        path.write_text(asyncio.run(take(picture)), encoding="utf-8")
        written.append(path)
    return written


def main(arguments: Sequence[str]) -> None:
    """``python -m runstudio_tui.docs [FOLDER]``."""
    for path in write(Path(arguments[0] if arguments else "docs")):
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
