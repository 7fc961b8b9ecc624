"""What is hidden in one place of a run is hidden wherever it was copied to, on every screen that shows data."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from engine.client import Engine
from engine.store.database.engine import create_store_engine
from runstudio_tui.app import StudioApp
from runstudio_tui.config import StudioConfig
from runstudio_tui.screens.base import StudioScreen
from tests.engine.client.copies import CHILD, RUN, STARTED_RUN, insert_copies, leaks
from tests.engine.devstack.ports import silent_port
from tests.tui.journeys.conftest import Journey

SIZE = (250, 70)
"""Room for every text in one line."""
HIDDEN = "[REDACTED]"
LISTS = {
    "1": ("orders", HIDDEN),
    "2": ("PAID", HIDDEN),
    "3": ("approve", HIDDEN),
    "5": ("failed", HIDDEN),
    "6": ("events",),
}
"""By the key of the screen, what it shows once it has its rows."""
PANES = {
    "p": ("note", HIDDEN),
    "o": (HIDDEN,),
    "i": ("crm.look", HIDDEN),
    "x": ("PAID", HIDDEN),
    "l": (HIDDEN,),
    "u": (HIDDEN,),
    "v": ("orders",),
    "w": (HIDDEN,),
}


@pytest.fixture
async def front_door(database_url: str) -> AsyncIterator[Engine]:
    """Of a database with the copies, and with a Temporal that does not answer."""
    store = create_store_engine(database_url)
    await insert_copies(store)
    await store.dispose()
    with silent_port() as port:
        yield Engine(database_url=database_url, temporal_address=f"127.0.0.1:{port}")


async def _opened(app: StudioApp, ada: Journey) -> None:
    await ada.until(lambda: isinstance(app.screen, StudioScreen), "the first screen")


async def _looks(ada: Journey, where: str, *seen: str) -> None:
    await ada.sees(*seen)
    assert leaks(ada.text) == [], f"{where}:\n{ada.text}"


async def test_no_list_has_a_copy(front_door: Engine, config: StudioConfig) -> None:
    app = StudioApp(front_door, config)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        ada = Journey(app, pilot)
        await _opened(app, ada)
        for key, seen in LISTS.items():
            await ada.press(key)
            await _looks(ada, key, *seen)
            for _ in range(4):
                # The preview, or the detail, of each row.
                await ada.press("down")
                await _looks(ada, key, *seen)
        await ada.press("2", "D")
        await _looks(ada, "dead letters", "skipped", HIDDEN)


@pytest.mark.parametrize("run_id", [RUN, CHILD, STARTED_RUN])
async def test_no_pane_of_a_run_has_a_copy(front_door: Engine, config: StudioConfig, run_id: str) -> None:
    app = StudioApp(front_door, config, run_id=run_id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        ada = Journey(app, pilot)
        await _opened(app, ada)
        await _looks(ada, "the run", "orders")
        for key, seen in PANES.items():
            await ada.press(key)
            await _looks(ada, key, *(seen if run_id == RUN else ()))
            await ada.press("enter")
            await _looks(ada, f"{key} opened")
            await ada.press("escape")
