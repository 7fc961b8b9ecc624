"""The example shop on a real Postgres, a real Temporal and a whole worker, and the studio in front of it, moved by keys alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from temporalio.client import Client
from temporalio.service import RPCError
from textual.pilot import Pilot

from engine.client import Engine
from engine.contract import workflow_id_for
from engine.devstack.postgres import EmbeddedPostgres
from engine.ids import new_id
from engine.records import Json, RunStatus
from runstudio_examples import catalog
from runstudio_examples.catalog import EXAMPLES
from runstudio_examples.shop_actions.carrier_server import carrier_server
from runstudio_tui.app import StudioApp
from runstudio_tui.config import StudioConfig
from runstudio_tui.screens.base import StudioScreen
from runstudio_tui.screens.runs.screen import RunsScreen
from runstudio_tui.screens.system.screen import SystemScreen
from runstudio_tui.widgets.virtual_list import VirtualList
from tests.engine.operations.conftest import until
from tests.engine.worker.hosts import ready, running, settings
from tests.tui.conftest import nothing_left

PATIENCE_SECONDS = 240.0
"""For what must come sooner or later, also on a machine that does something else most of the time."""
MOST_ROWS = 200
LISTS = {RunsScreen: "#runs", SystemScreen: "#system"}
"""Lists with another name than ``#list``."""
NAMES = {" ": "space", "-": "minus", ".": "full_stop", "_": "underscore"}
"""What Textual calls the keys of some signs."""


@dataclass
class Shop:
    """The examples, published, with a worker that works."""

    engine: Engine
    database_url: str
    partners: str

    async def started(self, workflow: str, payload: str, status: RunStatus, **changed: Json) -> str:
        """A run of an example's payload, at rest."""
        [example] = [example for example in EXAMPLES if example.name == workflow]
        given = {**example.payloads[payload], "partner_url": self.partners, **changed}
        run_id = (await self.engine.runs.start(workflow, given)).run_id
        await self.comes_to(run_id, status)
        return run_id

    async def comes_to(self, run_id: str, status: RunStatus) -> None:
        """Wait until a run rests in a state."""

        async def rests() -> bool:
            row = (await self.engine.runs.get(run_id)).row
            # A back-off is a wait too, but not where a run comes to rest.
            return row.status is status and (row.wait is None or row.wait.kind in ("event", "time", "human"))

        await until(rests, seconds=PATIENCE_SECONDS)

    def stored_input(self, run_id: str) -> Any:
        """The input of a run as the database has it, past every redaction."""
        with psycopg.connect(self.database_url.replace("+psycopg", "")) as connection:
            found = connection.execute("SELECT input_json FROM workflow_runs WHERE run_id = %s", (run_id,)).fetchone()
        assert found is not None
        return found[0]


@pytest.fixture(scope="module")
def own_database(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    name = f"journeys_{new_id().replace('-', '')}"
    yield postgres.create_database(name, template=migrated_template)
    postgres.drop_database(name)


@pytest.fixture(scope="module")
async def shop(own_database: str, temporal: Client, temporal_address: str) -> AsyncIterator[Shop]:
    """One shop for all journeys: each has orders of its own."""
    with pytest.MonkeyPatch.context() as patch, carrier_server(0, count_seconds=0.02) as partners:
        for name, value in catalog.ENVIRONMENT.items():
            patch.setenv(name, value)
        given = settings(own_database, temporal_address, action_modules=(catalog.ACTIONS_MODULE,))
        async with Engine(given) as engine, running(given, (catalog.ACTIONS_MODULE,)) as host:
            await ready(host)
            await engine.events.set_correlation_paths(dict(catalog.CORRELATION_PATHS))
            for example in EXAMPLES:
                for task_type, form in example.forms.items():
                    await engine.tasks.set_form(task_type, form)
                await engine.workflows.publish(
                    example.definition, payload_schema=example.payload_schema, examples=example.payloads
                )
            yield Shop(engine, own_database, partners)
            # The server is shared: no later worker may find what still waits.
            for row in (await engine.runs.list(limit=500)).rows:
                with suppress(RPCError):
                    await temporal.get_workflow_handle(workflow_id_for(row.run_id)).terminate("the test has ended")


@pytest.fixture(autouse=True)
def _shop_environment(_plain_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are read when an action runs: the worker in this process needs them as long as a test lasts."""
    for name, value in catalog.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@dataclass
class Journey:
    """One open studio, and what an operator does in it: look and press keys."""

    app: StudioApp
    pilot: Pilot[None]

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, each handled before the next."""
        for key in keys:
            await self.pilot.press(key)
            await nothing_left()

    async def type(self, text: str) -> None:
        """Type a text into what has the focus."""
        await self.press(*(NAMES.get(char, char) for char in text))

    async def sees(self, *texts: str) -> None:
        """Wait until all of them are on the screen."""
        await self.until(lambda: all(text in self.text for text in texts), ", ".join(texts))

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds."""

        async def holds() -> bool:
            await nothing_left()
            return condition()

        try:
            await until(holds, seconds=PATIENCE_SECONDS)
        except TimeoutError as error:
            raise AssertionError(f"{what} never came; the screen shows:\n{self.text}") from error

    async def move_to(self, key: str, what: str) -> None:
        """Press down until the cursor of the list is on a record."""
        listing = self.screen.query_one(LISTS.get(type(self.screen), "#list"), VirtualList)

        await self.until(lambda: listing.cursor is not None, what)
        await self.press("home")
        for _ in range(MOST_ROWS):
            before = listing.cursor
            if before == key:
                return
            await self.press("down")
            if listing.cursor == before:
                break
        raise AssertionError(f"{what} is not in the list:\n{self.text}")

    @property
    def screen(self) -> Any:
        """The screen on top."""
        return self.app.screen

    @property
    def text(self) -> str:
        """What is drawn, as text."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


Open = Callable[[tuple[int, int]], AbstractAsyncContextManager[Journey]]


@pytest.fixture
def journey(shop: Shop, config: StudioConfig, temporal_address: str, tmp_path: Path) -> Open:
    """``async with journey(size) as ada`` opens the studio on the shop, on the real clock."""

    @asynccontextmanager
    async def opened(size: tuple[int, int]) -> AsyncIterator[Journey]:
        given = settings(shop.database_url, temporal_address)
        app = StudioApp(Engine(given), replace(config, export_dir=str(tmp_path)))
        async with app.run_test(size=size, notifications=True) as pilot:
            ada = Journey(app, pilot)
            await ada.until(lambda: isinstance(app.screen, StudioScreen), "the first screen")
            yield ada

    return opened
