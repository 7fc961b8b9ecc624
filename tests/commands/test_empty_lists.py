"""A list of nothing is a sentence, whatever it is a list of."""

from __future__ import annotations

import re

import pytest

from engine.ids import new_id
from engine.store.database.transactions import Store
from tests.commands.conftest import Stack
from tests.commands.test_page import ALL
from tests.engine.operations.conftest import store
from tests.engine.store.rows import insert_run

__all__ = ["store"]

LISTS = [
    *(name for name in ALL if name.endswith(" list")),
    *("alerts messages", "events dead", "events paths", "retention show"),
    "jobs list --open",
]


@pytest.fixture
def runstudio(without_worker: Stack, database_url: str) -> Stack:
    """``runstudio`` with a database of this test alone."""
    return without_worker.with_variables(DATABASE_URL=database_url)


def is_a_sentence(out: str) -> bool:
    return re.fullmatch(r"[A-Z][^\n]+\.\n", out) is not None


def test_every_list(runstudio: Stack) -> None:
    answers = {name: runstudio(*name.split()) for name in LISTS}
    assert {name: (done.code, done.out) for name, done in answers.items() if not is_a_sentence(done.out)} == {}
    assert len(LISTS) > 11


async def test_what_a_run_has_none_of(runstudio: Stack, store: Store) -> None:
    run_id = await insert_run(store, run_id=new_id())
    for name in ("audit", "attempts", "snapshots"):
        done = runstudio("runs", name, run_id)
        assert is_a_sentence(done.out), (name, done)
