"""The keyboard stays where it was when the terminal shrinks and grows again."""

from __future__ import annotations

from typing import Any

import pytest

from runstudio_tui.backend.fake import FakeBackend
from tests.tui.flows.test_advertised_keys import SITUATIONS, reach

SMALL = (60, 15)
TOO_SMALL = (50, 10)
SIZES = ((80, 24), (120, 36), (160, 40))
"""The detail in the list's place everywhere, beside some lists, beside all of them."""
CHOSEN = tuple(
    name
    for name in SITUATIONS
    if name.endswith(("detail", "panes", "preview", "fields", "state", "payload", "timeline", "filtering"))
)


def keyboard(session: Any) -> tuple[str, object, str]:
    """What has the keyboard, the row it is on, and the keys that the screen names."""
    focused = session.app.focused
    assert focused is not None
    keys = session.screen.query_one("#keys").text
    return str(focused.id), getattr(focused, "cursor", None), keys


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("small", [SMALL, TOO_SMALL], ids=["small", "too small"])
async def test_the_keyboard_comes_back_to_where_it_was(
    studio: Any, backend: FakeBackend, size: tuple[int, int], small: tuple[int, int]
) -> None:
    backend.world._due.clear()  # nothing happens meanwhile
    different = []
    async with studio(size=size) as session:
        for name in CHOSEN:
            await reach(session, SITUATIONS[name])
            await session.press("j", "j")
            await session.pass_time(0.5)
            before = keyboard(session)
            await session.resize(*small)
            assert session.app.focused is not None or small == TOO_SMALL, name
            await session.resize(*size)
            await session.pass_time(0.5)
            after = keyboard(session)
            if before != after:
                different.append(f"{name}:\n  before  {before}\n  after   {after}")
    assert different == [], "\n".join(different)


async def test_the_keyboard_stays_where_it_is_used_meanwhile(studio: Any) -> None:
    async with studio(size=(160, 40)) as session:
        await session.press("tab")
        assert session.app.focused.id == "preview"
        await session.resize(*SMALL)
        await session.press("j")
        await session.resize(160, 40)
        assert session.app.focused.id == "runs"


async def test_a_detail_that_was_clicked_has_the_keyboard_again(studio: Any) -> None:
    async with studio(size=(160, 40)) as session:
        await session.press("2")
        await session.pass_time(0.5)
        await session.pilot.click("#detail", offset=(5, 2))
        await session.settle()
        assert session.app.focused.id == "detail"
        await session.resize(*SMALL)
        assert session.app.focused.id == "list"
        await session.resize(160, 40)
        assert session.app.focused.id == "detail"
