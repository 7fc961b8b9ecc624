"""The pane State: moving through the steps moves through time; every state is asked for once, and what is not known is said."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Conflict, EngineError, NotFound, Unavailable
from engine.records import RunFilter, RunStatus
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.store.run import SETTLE
from tests.tui.flows.test_run import copied, failed_invoice, waiting_order

REST = SETTLE + 0.05


async def look(session: Any, *keys: str) -> None:
    """Press keys and let the cursor rest after each."""
    for key in keys:
        await session.press(key)
        await session.pass_time(REST)


def asked(backend: FakeBackend) -> list[tuple[str, str]]:
    """Path and iteration of every state asked for so far."""
    return [(call.arguments[1].rpartition(".")[2], call.arguments[2]) for call in backend.called("runs.state")]


async def test_moving_through_the_steps_moves_through_time(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "a")
        assert "after it is not known: The run is at step await-carrier." in session.text
        assert '▸ "payload": { … }  5 members' in session.text
        await look(session, "up", "up")
        assert "gift  10:40:19" in session.text
        assert "1 added" in session.text
        assert session.line('"note": {').split("│")[1].startswith(" +")
        assert '+         "note": "n-118"' in session.text
        await look(session, "home")
        assert "reserve-stock  10:40:12" in session.text
        assert '+     ▾ "reservation": {' in session.text
        assert "n-118" not in session.text


async def test_a_step_that_changed_nothing_says_so(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "a", "home", "down")
        assert "this step changed nothing" in session.text


async def test_an_iteration_has_its_loop_scope_and_what_it_changed(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "a", "home", "down", "down", "down", "right", "down")
        assert "price [1]" in session.text
        assert "2 changed" in session.text
        assert session.line('"sku": "SKU-2"  was "SKU-1"').split("│")[1].startswith(" ~")
        assert '"cents": 2200  was 4900' in session.text
        assert '"isLast": true' in session.text


async def test_every_step_looked_at_is_asked_for_once(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "a", "home")
        before = len(asked(backend))
        await look(session, *["down"] * 7)
        # for each, [0], [1], charge-card, if, gift, else: the iterations and the branch not taken are no steps.
        assert asked(backend)[before:] == [("steps[1]", ""), ("steps[2]", ""), ("steps[3]", ""), ("steps[0]", "")]
        await session.pass_time(20)
        assert len(asked(backend)) == before + 4


async def test_a_held_key_asks_once_for_where_it_stops(studio: Any, backend: FakeBackend) -> None:
    run_id = backend.world.select(RunFilter(workflow="stock", statuses=frozenset({RunStatus.SUCCEEDED})))[0].run_id
    async with studio(size=(120, 36), run_id=run_id) as session:
        await look(session, "a")
        for key in ("right", "down") * 4:
            await session.press(key)
        await session.pass_time(REST)
        before = len(asked(backend))
        for _ in range(12):
            await session.press("up")
        assert len(asked(backend)) == before
        await session.pass_time(REST)
        assert asked(backend)[before:] == [("steps[0]", "")]
        assert "read-levels" in session.text.split("│")[1] or "read-levels  " in session.text


async def test_nothing_is_asked_while_another_pane_is_shown(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        before = asked(backend)  # what the iterations of a loop are named by
        await look(session, "home", "down", "end", "o", "up")
        assert asked(backend) == before


async def test_an_answer_for_a_step_no_longer_looked_at_is_dropped(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "home", "a")
        gate = backend.hold("runs.state")
        await look(session, "down")
        assert "computing for each line… below is still reserve-stock" not in session.text
        assert "computing lines… below is still reserve-stock" in session.text
        await look(session, "end", "up", "up", "up")
        gate.set()
        await session.settle()
        assert "gift  10:40:19" in session.text
        assert "computing" not in session.text
        assert "reserve-stock  10:40:12" not in session.text


async def test_what_is_not_reached_is_not_asked_for(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "a")
        before = len(asked(backend))
        await look(session, "end")
        assert "Choose a step that was executed" in session.text
        assert len(asked(backend)) == before


async def test_a_step_that_went_on_is_asked_for_again_and_only_then(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "up", "down", "a")  # moved by hand, so it does not follow the run
        before = len(asked(backend))
        await session.pass_time(30)
        assert len(asked(backend)) == before
        await session.pass_time(420)
        assert len(asked(backend)) == before + 1
        assert "after it is not known" not in session.text
        assert '+     ▾ "event": {' in session.text


# --- pinning ------------------------------------------------------------------------------------------------------------


async def test_a_pinned_moment_is_compared_with_the_others(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "home", "a", "equals_sign")
        assert "pinned: reserve-stock" in session.note
        assert "= pinned here" in session.text
        assert session.line("store.put@1").split()[:4] == ["▌", "✔", "reserve-stock", "="]
        await look(session, "end", "up")
        assert "= compared with reserve-stock: 3 added" in session.text
        assert "after it is not known" in session.text
        for name in ("price", "charge", "note"):
            assert f'+     ▾ "{name}": {{' in session.text
        await look(session, "equals_sign")
        assert "no moment is pinned any more" in session.note
        assert "compared with" not in session.text
        assert "reserve-stock =" not in session.text


async def test_looking_back_from_a_pinned_moment_shows_what_was_not_there_yet(
    studio: Any, backend: FakeBackend
) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "a", "up", "up", "equals_sign", "home")
        assert "= compared with gift: 3 removed" in session.text
        assert '-     ▾ "note": {' in session.text


async def test_what_cannot_be_pinned_says_why(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await session.press("equals_sign")
        assert "pin: open the state first: a" in session.note
        backend.hold("runs.state")
        await look(session, "a", "equals_sign")
        assert "nothing to pin yet" in session.note
        await look(session, "end", "equals_sign")
        assert "choose a step that was executed" in session.note


async def test_it_works_on_the_timeline_too(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "d", "home", "a")
        assert "TIMELINE" in session.text
        assert "reserve-stock  10:40:12" in session.text
        await look(session, "equals_sign", "end", "up")
        assert "= compared with reserve-stock: 3 added" in session.text
        assert " = " in session.line("▇▇▇")
        await session.press("escape")
        assert "TIMELINE" in session.text
        assert "compared with" not in session.text
        await session.press("escape")
        assert "TIMELINE" not in session.text


# --- parts and places ---------------------------------------------------------------------------------------------------


async def test_before_and_after_by_themselves(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "a", "up", "up", "t")
        assert '"note"' not in session.text
        assert '▸ "charge": { … }  3 members' in session.text
        await look(session, "t")
        assert '▸ "note": { … }  1 member' in session.text
        assert not [text for text in session.text.split("\n") if "│ +" in text]
        await look(session, "t")
        assert '+     ▾ "note": {' in session.text


async def test_the_pane_is_folded_searched_and_copied(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "a", "up", "up", "tab")
        assert session.note.endswith("/vars/note")
        await session.press("y")
        assert copied(session) == '{\n  "note": "n-118"\n}'
        await session.press("slash")
        await session.type("north")
        await session.press("enter")
        assert session.note.endswith("/vars/reservation/warehouse")
        await session.press("y")
        assert copied(session) == "north"
        await session.press("escape", "home", "right_curly_bracket")
        assert session.note.endswith("/vars/note")
        await session.press("right_curly_bracket")
        assert "nothing differs there" in session.note
        await session.press("minus")
        assert '"vars": { … }' in session.text


async def test_what_was_opened_by_hand_stays_open_at_the_next_step(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        await look(session, "a", "up", "up", "tab", "home", "down", "right", "tab", "up", "up")
        assert "charge-card" in session.text.split("│")[2] or "charge-card  10:40:19" in session.text
        assert '"order_id": "ORD-' in session.text


async def test_at_80_columns_the_state_stands_below_the_steps(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=waiting_order(backend)) as session:
        await look(session, "a")
        assert "STEPS" in session.text
        assert "after it is not known" in session.text
        await look(session, "up", "up")
        assert "gift" in session.line("▌")
        assert "1 added" in session.text
        assert '+     ▾ "note": {' in session.text
        await session.press("enter")
        assert "STEPS" not in session.text
        assert '+         "note": "n-118"' in session.text
        await session.press("escape")
        assert "STEPS" in session.text
        assert "1 added" in session.text
        await session.press("escape")
        assert "1 added" not in session.text
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


# --- what is not known --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        Conflict("SEMANTICS_DIFFER", "The run was made by semantics 1; this build has 2.", "Use a build with those."),
        Conflict(
            "STATE_NOT_RECORDED", "What try 1 of step charge-card gave is not recorded.", "Look at an earlier step."
        ),
        Conflict(
            "INPUT_NOT_STORED", "The payload of this run was never stored.", "Nothing can be computed without it."
        ),
        Conflict("DEFINITION_HASH_MISMATCH", "Version 3 is not what it was.", "Somebody has changed it."),
        Conflict("RUN_TOO_LARGE", "The actions of this run answered with 100 MB.", "Look at the tries one by one."),
        NotFound("STEP_NOT_FOUND", "The run has not executed a step gift.", "Its steps: runstudio runs show."),
        Unavailable("POSTGRES_UNREACHABLE", "Postgres cannot be reached.", "runstudio doctor says more."),
    ],
    ids=lambda error: error.code,
)
async def test_what_cannot_be_rebuilt_is_said_with_the_reason(
    studio: Any, backend: FakeBackend, refusal: EngineError
) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend)) as session:
        backend.fail_next("runs.state", refusal)
        await look(session, "a")
        assert "The state around await-carrier is not known." in session.text
        for told in (refusal.message, refusal.hint, refusal.code):
            assert told
            assert told in session.text
        await look(session, "up", "up")
        assert "1 added" in session.text


async def test_what_a_server_did_not_answer_is_asked_again(studio: Any, backend: FakeBackend) -> None:
    backend.fail_next("runs.state", Unavailable("POSTGRES_UNREACHABLE", "Postgres cannot be reached."))
    async with studio(size=(120, 36), run_id=failed_invoice(backend)) as session:
        await look(session, "a")
        assert "Postgres cannot be reached." in session.text
        before = len(asked(backend))
        await session.press("ctrl+r")
        await session.pass_time(REST)
        assert len(asked(backend)) == before + 1
        assert "Postgres cannot be reached." not in session.text
        await session.press("ctrl+r")
        await session.pass_time(REST)
        assert len(asked(backend)) == before + 1


async def test_a_server_that_stands_still_is_given_up(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=failed_invoice(backend)) as session:
        backend.hold("runs.state")
        await look(session, "a")
        await session.pass_time(11)
        assert "No answer within 10 s." in session.text


async def test_a_reader_may_travel_too(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=(120, 36), run_id=waiting_order(backend), read_only=True) as session:
        await look(session, "a", "up", "up")
        assert "1 added" in session.text
