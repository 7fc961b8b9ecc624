"""What a person on call does, key by key, on a real Postgres, a real Temporal and a real worker, at both sizes."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest

from engine.ids import new_id
from engine.records import PLACEHOLDER, EventFilter, JobState, RunStatus
from runstudio_tui.widgets.json_editor import JsonEditor
from tests.engine.operations.conftest import until
from tests.tui.conftest import NARROW, WIDE
from tests.tui.journeys.conftest import Journey, Open, Shop

sizes = pytest.mark.parametrize("size", [pytest.param(NARROW, id="80x24"), pytest.param(WIDE, id="120x36")])
CARD = "tok_visa"


@sizes
async def test_a_failed_run_is_found_walked_through_and_replayed_with_one_field_changed(
    shop: Shop, journey: Open, size: tuple[int, int]
) -> None:
    order = f"ORD-{new_id()[-6:]}"
    failed = await shop.started("order-fulfilment", "out of stock", RunStatus.FAILED, order_id=order)
    async with journey(size) as ada:
        await ada.press("5")
        await ada.sees("✖ failed")
        await ada.move_to(f"failed:{failed}", "the failed run")
        await ada.press("enter")
        await ada.sees("OUT_OF_STOCK", "reserve-stock")

        await walk_to_the_step_that_failed(ada)

        await ada.press("r")
        await ada.sees("original input", "9000")
        await ada.type("typo in the order, asked the customer")
        await ada.press("tab")
        await change_the_quantity(ada)
        await ada.sees("edited: 1 change", "was 9000")
        await ada.press(*["down"] * 9)
        await ada.sees("kept from original")
        assert CARD not in ada.text
        await ada.press("ctrl+s")
        await ada.until(lambda: getattr(ada.screen, "run_id", failed) != failed, "the new run")
        await ada.sees(f"replay of {failed[:6]}", "await-carrier")
        replayed = ada.screen.run_id
    await shop.comes_to(replayed, RunStatus.WAITING)
    given = shop.stored_input(failed)
    assert given["card_token"] == CARD
    lines = [given["lines"][0], {**given["lines"][1], "quantity": 3}]
    assert shop.stored_input(replayed) == {**given, "lines": lines}
    assert (await shop.engine.runs.get(replayed)).row.replay_of == failed
    # What was dealt with is not shown any more.
    assert failed not in {item.run_id for item in (await shop.engine.system.attention()).items}


async def walk_to_the_step_that_failed(ada: Journey) -> None:
    """In the pane State, from the first step on, to what the failed step was given and what it left behind."""
    tree = ada.screen.query_one("#steps")
    await ada.press("a", "home")
    await ada.until(lambda: tree.current_step is not None, "a step")
    assert tree.current_step.path == "root.steps[0]"
    await ada.sees("prepare", "added", "partner")
    await ada.press("down")
    assert tree.current_step.status == "FAILED"
    await ada.sees("reserve-stock", "this step changed nothing", '"total": 0')


async def change_the_quantity(ada: Journey) -> None:
    """The one with a digit too many, by keys, in the text of the input; nothing else is touched."""
    editor = ada.screen.query_one(JsonEditor)
    assert ada.app.focused is editor
    assert PLACEHOLDER in editor.text
    [place] = [place for place, text in enumerate(editor.text.split("\n")) if "9000" in text]
    await ada.press("ctrl+home", *["down"] * place, "end")
    await ada.press(*["backspace"] * 4, "3")


@sizes
async def test_a_task_is_answered_in_its_form_and_the_run_ends(
    shop: Shop, journey: Open, size: tuple[int, int]
) -> None:
    run_id = await shop.started("invoice-intake", "bad line", RunStatus.WAITING)
    [task] = [task for task in (await shop.engine.tasks.list()).rows if task.run_id == run_id]
    async with journey(size) as ada:
        await ada.press("3")
        await ada.sees("Approve invoice INV-77")
        await ada.move_to(task.task_id, "the task")
        await ada.press("a")
        await ada.sees("Answer: Approve invoice INV-77", "Approve", "Comment")
        await ada.until(lambda: getattr(ada.app.focused, "id", "") == "field-0", "the first field")
        await ada.press("right", "tab")
        await ada.type("the line is right")
        await ada.press("ctrl+s")
        await ada.sees("its run goes on")
    await shop.comes_to(run_id, RunStatus.SUCCEEDED)
    answered = await shop.engine.tasks.get(task.task_id)
    assert answered.response is not None
    assert answered.response.value == {"approved": True, "comment": "the line is right"}
    assert answered.row.completed_by == pwd.getpwuid(os.getuid()).pw_name


@sizes
async def test_a_workflow_is_paused_and_unpaused_and_what_came_meanwhile_is_sent_again(
    shop: Shop, journey: Open, size: tuple[int, int]
) -> None:
    order, event_id = f"ORD-{new_id()[-6:]}", new_id()
    [example] = [one for one in (await shop.engine.workflows.examples("order-fulfilment", 1)) if one.name == "payload"]
    placed = {**example.value, "order_id": order, "partner_url": shop.partners}
    await shop.engine.workflows.limit("order-fulfilment", 0, when_busy="skip")
    async with journey(size) as ada:
        await ada.press("4")
        await ada.sees("order-fulfilment")
        await ada.move_to("order-fulfilment", "the workflow")
        await ada.press("p")
        await ada.sees("Pause")
        await ada.type("the warehouse moves")
        await ada.press("ctrl+s")
        await ada.sees("done")
        await ada.press("escape")
        await ada.sees("▲ paused")

        await shop.engine.events.submit("order.placed", placed, key=order, event_id=event_id)

        async def skipped() -> bool:
            return [sent.status for sent in (await shop.engine.events.get(event_id)).deliveries] == ["skipped"]

        await until(skipped)
        await ada.press("u")
        await ada.sees("Unpause")
        await ada.press("ctrl+s")
        await ada.sees("done")
        await ada.press("escape")
        await ada.until(lambda: "▲ paused" not in ada.text, "that it is not paused any more")

        [delivery] = (await shop.engine.events.get(event_id)).deliveries
        await ada.press("2", "D")
        await ada.sees("order.placed", "skipped")
        await ada.move_to(delivery.delivery_id, "the dead delivery")
        await ada.press("r")
        await ada.sees("WORKFLOW_PAUSED")
        await ada.type("the warehouse has moved")
        await ada.press("ctrl+s")

        async def delivered() -> bool:
            return [sent.status for sent in (await shop.engine.events.get(event_id)).deliveries] == ["done"]

        await until(delivered)
        await ada.press("escape")
        await ada.until(lambda: delivery.delivery_id not in ada.screen.listing.visible_keys, "that it is gone")
    [event] = (await shop.engine.events.list(EventFilter(name="order.placed", key=order))).rows
    assert event.matched_run is not None
    assert shop.stored_input(event.matched_run) == placed


@sizes
async def test_a_run_is_exported(shop: Shop, journey: Open, tmp_path: Path, size: tuple[int, int]) -> None:
    order = f"ORD-{new_id()[-6:]}"
    run_id = await shop.started("order-fulfilment", "out of stock", RunStatus.FAILED, order_id=order)
    async with journey(size) as ada:
        await ada.sees("order-fulfilment")
        await ada.move_to(run_id, "the run")
        await ada.press("enter")
        await ada.sees("OUT_OF_STOCK")
        await ada.press("e")
        await ada.sees("Export")
        await ada.press("ctrl+s")
        await ada.sees("saved")
    [written] = [path.read_text(encoding="utf-8") for path in files_in(tmp_path)]
    document = json.loads(written)
    assert document["run"]["row"]["run_id"] == run_id
    assert document["counts"]["steps"] == len(document["steps"]) > 0
    assert CARD not in written


@sizes
async def test_all_that_match_are_canceled_by_the_workers(shop: Shop, journey: Open, size: tuple[int, int]) -> None:
    run_id = await shop.started("invoice-intake", "bad line", RunStatus.WAITING)
    async with journey(size) as ada:
        await ada.sees("invoice-intake")
        await ada.press("slash")
        await ada.type(f"id:{run_id[:23]} status:waiting")
        await ada.press("enter")
        store = ada.screen.store
        await ada.until(lambda: store.loaded and len(store) == 1, "that run alone")
        await ada.press("J")
        await ada.sees("All that match: 1 run", f"id:{run_id[:23]}")
        await ada.press("tab")
        await ada.type("the supplier sends it again")
        await ada.press("tab")
        await ada.type("1")
        await ada.press("ctrl+s")
        await ada.sees("submitted: System (6)")
        [job] = await shop.engine.jobs.list(limit=1)
        await ada.press("6")
        await ada.sees("postgres")
        await ada.move_to(f"job:{job.job_id}", "the job")
        system = ada.screen
        await ada.until(lambda: system.job is not None and system.job.state is JobState.DONE, "that it is done")
        await ada.press("enter")
        await ada.sees("cancel done", "the supplier sends it again", "1 done, 0 skipped, 0 failed")
    await shop.comes_to(run_id, RunStatus.CANCELED)


def files_in(folder: Path) -> list[Path]:
    """What was written there."""
    return list(folder.glob("*.json"))
