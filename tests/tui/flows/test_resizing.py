"""What was cut in a narrow terminal is there when it grows: a screen looks the same whichever size it was opened at."""

from __future__ import annotations

import re
from typing import Any

from runstudio_tui.backend.fake import FakeBackend
from tests.tui.flows.test_advertised_keys import DIALOGS, SITUATIONS, reach

SMALL = (60, 15)
LARGE = (120, 36)
CHOSEN = (
    "runs",
    "run",
    "run, state",
    "run, payload",
    "run, timeline",
    "events, detail",
    "tasks, detail",
    "attention",
    "system",
)


def shown(session: Any) -> list[str]:
    """What is drawn, whatever the time."""
    return re.sub(r"\d", "0", session.text).split("\n")


async def test_s17_a_screen_that_grows_looks_as_if_it_had_been_opened_so(studio: Any, backend: FakeBackend) -> None:
    backend.world._due.clear()  # nothing happens meanwhile
    different = []
    async with studio(size=LARGE) as session:
        for name, keys in {**{name: SITUATIONS[name] for name in CHOSEN}, **DIALOGS}.items():
            await session.resize(*SMALL)
            await reach(session, keys)
            await session.resize(*LARGE)
            await session.settle()
            grown = shown(session)
            await reach(session, keys)
            for one, other in zip(shown(session), grown, strict=True):
                if one != other:
                    different.append(f"{name}:\n  opened large  {one}\n  grown         {other}")
    assert different == [], "\n".join(different)
