"""Tasks: an answer is checked when it is given, counts once, and reaches its run whatever is away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from engine.contract import SIGNAL_HUMAN_TASK, workflow_id_for
from engine.errors import Conflict, Forbidden, Invalid, NotFound
from engine.ids import new_id
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.tasks import task_answers
from engine.operations.tasks.forms import form_of, register_form
from engine.operations.tasks.task_answers import ToldAll, tell_due
from engine.operations.tasks.tasks import cancel_task, claim_task, complete_task, unclaim_task
from engine.records import Level
from engine.store.database.transactions import Store
from engine.store.tasks.reading import task_detail
from engine.store.tasks.tasks import Answer
from tests.engine.operations.conftest import AsUser, Execute, Query
from tests.engine.operations.crashing import unreachable
from tests.engine.operations.tasks.asked import FORM, Asked, start, working
from tests.engine.workflow.steps import ask, assign, attempt


@pytest_asyncio.fixture
async def asked(context: OperationContext, temporal: Client, query: Query) -> AsyncIterator[Asked]:
    """A run that waits for a person, while a worker runs."""
    async with working(context.store, temporal):
        yield await start(context, query)


async def signals_of(temporal: Client, run_id: str) -> int:
    """How often the run was told that a task is done."""
    history = await temporal.get_workflow_handle(workflow_id_for(run_id)).fetch_history()
    return sum(
        event.workflow_execution_signaled_event_attributes.signal_name == SIGNAL_HUMAN_TASK for event in history.events
    )


async def audited(query: Query) -> list[str]:
    rows = await query("SELECT operation FROM workflow_audit_log WHERE target_kind = 'task' ORDER BY created_at")
    return [row["operation"] for row in rows]


class TestCompleting:
    async def test_an_answer_lets_the_run_go_on(self, context: OperationContext, asked: Asked, query: Query) -> None:
        closed = await complete_task(context, asked.task_id, {"approved": True}, "INVOICE_APPROVED")
        assert (closed.status, closed.delivered, closed.repeated, closed.message) == ("completed", True, False, "")
        row = await asked.ended()
        assert row["status"] == "SUCCEEDED"
        assert row["output_json"] == {"event": {"approved": True}, "eventName": "INVOICE_APPROVED"}
        task = await asked.task()
        assert (task["status"], task["completed_by"], task["response_json"]) == (
            "completed",
            "tester",
            {"approved": True},
        )
        assert (await asked.delivery())["status"] == "done"
        assert await audited(query) == ["workflow_task_complete"]
        [line] = await query("SELECT level, context_json FROM workflow_run_logs WHERE message = 'Task completed'")
        assert line["context_json"]["eventName"] == "INVOICE_APPROVED"
        assert "approved" not in str(line["context_json"])

    async def test_an_answer_that_does_not_fit_its_form_is_refused_and_the_run_goes_on_waiting(
        self, context: OperationContext, asked: Asked, query: Query, temporal: Client
    ) -> None:
        assert await register_form(context, "approval", FORM)
        with pytest.raises(Invalid, match="RESPONSE_REJECTED") as refused:
            await complete_task(context, asked.task_id, {"approved": "canary-yes"})
        assert refused.value.details["issues"] == [
            {"pointer": "/approved", "message": "must be boolean", "keyword": "type"}
        ]
        assert "canary" not in str(refused.value)
        assert (await asked.task())["status"] == "pending"
        assert (await asked.run())["waiting_on"] == "human"
        assert await audited(query) == []
        assert await signals_of(temporal, asked.run_id) == 0
        await complete_task(context, asked.task_id, {"approved": False})
        assert (await asked.ended())["status"] == "SUCCEEDED"

    @pytest.mark.parametrize(
        ("response", "code"),
        [
            ([True], "PAYLOAD_NOT_OBJECT"),
            (None, "PAYLOAD_NOT_OBJECT"),
            ({"n": float("nan")}, "JSON_NUMBER_NOT_FINITE"),
            ({"text": "x" * 600_000}, "PAYLOAD_TOO_LARGE"),
        ],
    )
    async def test_what_is_no_object_of_a_fitting_size_is_refused(
        self, context: OperationContext, asked: Asked, response: Any, code: str
    ) -> None:
        with pytest.raises(Invalid, match=code):
            await complete_task(context, asked.task_id, response)
        assert (await asked.task())["status"] == "pending"

    async def test_an_override_is_for_admins_and_says_so_in_the_audit_log(
        self, context: OperationContext, asked: Asked, query: Query, as_user: AsUser
    ) -> None:
        await register_form(context, "approval", FORM)
        async with as_user(Level.OPERATE) as operator:
            with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
                await complete_task(operator, asked.task_id, {"approved": "yes"}, override=True)
            with pytest.raises(Invalid, match="RESPONSE_REJECTED"):
                await complete_task(operator, asked.task_id, {"approved": "yes", "__admin_override": True})
            with pytest.raises(Invalid, match="RESPONSE_REJECTED"):
                await complete_task(operator, asked.task_id, {"approved": "yes"}, "ADMIN_RESUME")
        await complete_task(context, asked.task_id, {"approved": "yes"}, override=True, reason="agreed by phone")
        assert (await asked.ended())["output_json"]["event"] == {"approved": "yes"}
        [entry] = await query(
            "SELECT operation, reason, details_json FROM workflow_audit_log WHERE target_kind = 'task'"
        )
        assert (entry["operation"], entry["reason"]) == ("workflow_task_override", "agreed by phone")
        assert [issue["pointer"] for issue in entry["details_json"]["overriddenIssues"]] == ["/approved"]

    async def test_the_same_answer_again_changes_nothing(
        self, context: OperationContext, asked: Asked, query: Query, temporal: Client
    ) -> None:
        await complete_task(context, asked.task_id, {"approved": True})
        again = await complete_task(context, asked.task_id.upper(), {"approved": True})
        assert (again.repeated, again.delivered) == (True, True)
        assert await audited(query) == ["workflow_task_complete"]
        await asked.ended()
        assert await signals_of(temporal, asked.run_id) == 1

    @pytest.mark.parametrize(
        ("response", "name", "actor"),
        [
            ({"approved": False}, "HUMAN_TASK_COMPLETED", "tester"),
            ({"approved": True}, "OTHER", "tester"),
            ({"approved": True}, "HUMAN_TASK_COMPLETED", "somebody"),
        ],
    )
    async def test_another_answer_afterwards_is_a_conflict(
        self, context: OperationContext, asked: Asked, response: Any, name: str, actor: str
    ) -> None:
        await complete_task(context, asked.task_id, {"approved": True})
        with pytest.raises(Conflict, match="TASK_CLOSED") as refused:
            await complete_task(replace(context, actor=Actor(actor)), asked.task_id, response, name)
        assert refused.value.details == {"status": "completed", "completedBy": "tester"}
        assert (await asked.task())["response_json"] == {"approved": True}

    async def test_of_two_answers_at_once_one_wins(
        self, context: OperationContext, asked: Asked, query: Query, temporal: Client
    ) -> None:
        answers = await asyncio.gather(
            *(complete_task(context, asked.task_id, {"n": n}) for n in range(8)), return_exceptions=True
        )
        assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
        refused = [answer for answer in answers if isinstance(answer, BaseException)]
        assert {type(answer) for answer in refused} == {Conflict}
        [winner] = [n for n, answer in enumerate(answers) if not isinstance(answer, BaseException)]
        assert (await asked.ended())["output_json"]["event"] == {"n": winner}
        assert await audited(query) == ["workflow_task_complete"]
        assert await signals_of(temporal, asked.run_id) == 1

    async def test_a_large_answer_goes_by_reference(
        self, context: OperationContext, temporal: Client, query: Query
    ) -> None:
        async with working(context.store, temporal):
            asked = await start(context, query, ask("approve"), assign("size", n="$len(vars.event.text)"))
            await complete_task(context, asked.task_id, {"text": "x" * 400_000})
            row = await asked.ended()
        assert row["status"] == "SUCCEEDED", row["error_json"]
        handle = temporal.get_workflow_handle(workflow_id_for(asked.run_id))
        history = await handle.fetch_history()
        signal = next(
            event.workflow_execution_signaled_event_attributes
            for event in history.events
            if event.HasField("workflow_execution_signaled_event_attributes")
        )
        assert len(signal.input.payloads[0].data) < 1000

    async def test_nobody_answers_a_task_that_is_none_of_theirs(self, context: OperationContext, asked: Asked) -> None:
        for task_id in ("nonsense", new_id(), "\0"):
            with pytest.raises(NotFound, match="TASK_NOT_FOUND"):
                await complete_task(context, task_id, {})
        with pytest.raises(NotFound, match="TASK_NOT_FOUND"):
            await complete_task(replace(context, tenant="00000000-0000-0000-0000-000000000002"), asked.task_id, {})

    async def test_reading_is_not_enough(self, asked: Asked, as_user: AsUser) -> None:
        async with as_user(Level.READ) as viewer:
            for attempt_to in (complete_task(viewer, asked.task_id, {}), claim_task(viewer, asked.task_id)):
                with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
                    await attempt_to

    async def test_an_operator_may(self, asked: Asked, as_user: AsUser) -> None:
        async with as_user(Level.OPERATE) as operator:
            await claim_task(operator, asked.task_id)
            await unclaim_task(operator, asked.task_id)
            assert (await complete_task(operator, asked.task_id, {"text": "x" * 300_000})).delivered
            with pytest.raises(Forbidden, match="LEVEL_TOO_LOW"):
                await cancel_task(operator, asked.task_id, "no reason")
        assert (await asked.ended())["status"] == "SUCCEEDED"


class TestWhenTemporalIsAway:
    async def test_the_answer_is_kept_and_delivered_later(
        self, context: OperationContext, asked: Asked, store: Store, execute: Execute
    ) -> None:
        away = OperationContext(store, unreachable(), context.actor)
        closed = await complete_task(away, asked.task_id, {"approved": True})
        assert (closed.status, closed.delivered) == ("completed", False)
        assert closed.message == "Accepted, not delivered yet: Temporal does not answer."
        assert (await asked.run())["waiting_on"] == "human"
        detail = await task_detail(store, context.tenant, asked.task_id)
        assert (detail.undelivered, detail.delivery_error) == (
            True,
            "TEMPORAL_UNAVAILABLE: Temporal does not answer.",
        )
        assert await tell_due(context) == ToldAll()
        await execute("UPDATE workflow_event_deliveries SET next_attempt_at = now()")
        assert await tell_due(away) == ToldAll(pending=1)
        await execute("UPDATE workflow_event_deliveries SET next_attempt_at = now()")
        assert await tell_due(context) == ToldAll(delivered=1)
        assert (await asked.ended())["output_json"]["event"] == {"approved": True}
        delivery = await asked.delivery()
        assert (delivery["status"], delivery["attempts"], delivery["last_error"]) == ("done", 3, None)
        assert await tell_due(context) == ToldAll()

    async def test_an_answer_that_temporal_refuses_keeps_no_other(
        self,
        context: OperationContext,
        store: Store,
        temporal: Client,
        query: Query,
        execute: Execute,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Of a run that was sent as many signals as an execution takes."""
        away = OperationContext(store, unreachable(), context.actor)
        async with working(store, temporal):
            full, other = [await start(context, query) for _ in range(2)]
            for asked in (full, other):
                await complete_task(away, asked.task_id, {"approved": True})
            await execute("UPDATE workflow_event_deliveries SET next_attempt_at = now()")
            signal = task_answers._signal

            async def refused(client: Client, own: OperationContext, answer: Answer) -> None:
                if answer.task_id == full.task_id:
                    raise RPCError("exceeded limit for signal events", RPCStatusCode.INVALID_ARGUMENT, b"")
                await signal(client, own, answer)

            monkeypatch.setattr(task_answers, "_signal", refused)
            assert await tell_due(context) == ToldAll(delivered=1, pending=1)
            assert (await other.ended())["status"] == "SUCCEEDED"
        assert (await full.delivery())["last_error"].startswith("TEMPORAL_REFUSED: Temporal refused the answer:")

    async def test_repeating_the_answer_tries_at_once(
        self, context: OperationContext, asked: Asked, store: Store
    ) -> None:
        await complete_task(OperationContext(store, unreachable(), context.actor), asked.task_id, {"approved": True})
        again = await complete_task(context, asked.task_id, {"approved": True})
        assert (again.repeated, again.delivered) == (True, True)
        assert (await asked.ended())["status"] == "SUCCEEDED"

    async def test_a_run_that_was_told_but_not_noted_is_told_again_without_harm(
        self, context: OperationContext, asked: Asked, execute: Execute
    ) -> None:
        await complete_task(context, asked.task_id, {"approved": True})
        assert (await asked.ended())["status"] == "SUCCEEDED"
        await execute("UPDATE workflow_event_deliveries SET status = 'pending', next_attempt_at = now()")
        assert await tell_due(context) == ToldAll(delivered=1)
        assert (await asked.delivery())["status"] == "done"
        assert (await asked.task())["status"] == "completed"


class TestWhenTheRunHasEnded:
    async def test_a_task_of_a_closed_run_is_closed(
        self, context: OperationContext, asked: Asked, temporal: Client
    ) -> None:
        await temporal.get_workflow_handle(workflow_id_for(asked.run_id)).cancel()
        assert (await asked.ended())["status"] == "CANCELED"
        assert (await asked.task())["status"] == "canceled"
        with pytest.raises(Conflict, match="TASK_CLOSED"):
            await complete_task(context, asked.task_id, {})
        with pytest.raises(Conflict, match="TASK_CLOSED"):
            await claim_task(context, asked.task_id)

    async def test_an_answer_to_an_execution_that_is_over_closes_the_run_and_the_task(
        self, context: OperationContext, asked: Asked, temporal: Client
    ) -> None:
        await temporal.get_workflow_handle(workflow_id_for(asked.run_id)).terminate("gone")
        with pytest.raises(Conflict, match="RUN_ENDED"):
            await complete_task(context, asked.task_id, {"approved": True})
        assert (await asked.run())["status"] == "FAILED"
        task = await asked.task()
        assert (task["status"], task["response_json"]) == ("canceled", {"approved": True})
        delivery = await asked.delivery()
        assert (delivery["status"], delivery["reason"]) == (
            "skipped",
            "The run had ended before the answer reached it.",
        )
        with pytest.raises(Conflict, match="TASK_CLOSED"):
            await complete_task(context, asked.task_id, {"approved": True})

    async def test_an_answer_to_a_run_temporal_does_not_know_waits_for_the_reconciler(
        self, context: OperationContext, asked: Asked, execute: Execute
    ) -> None:
        other = new_id()
        await execute(
            "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, waiting_on, engine)"
            " VALUES (:run, 'orders', 1, 'WAITING', 'human', 'temporal')",
            run=other,
        )
        await execute("UPDATE workflow_human_tasks SET run_id = :run", run=other)
        closed = await complete_task(context, asked.task_id, {"approved": True})
        assert (closed.delivered, closed.message) == (
            False,
            "Accepted, not delivered yet: Temporal has no execution of this run.",
        )
        await execute(
            "UPDATE workflow_runs SET status = 'FAILED', completed_at = now(), waiting_on = NULL WHERE run_id = :run",
            run=other,
        )
        await execute("UPDATE workflow_event_deliveries SET next_attempt_at = now()")
        assert await tell_due(context) == ToldAll()
        assert (await asked.delivery())["status"] == "skipped"
        assert (await asked.task())["status"] == "canceled"

    async def test_a_task_that_was_left_open_is_not_answered(
        self, context: OperationContext, asked: Asked, execute: Execute
    ) -> None:
        await execute("UPDATE workflow_runs SET status = 'FAILED', completed_at = now(), waiting_on = NULL")
        for refused in (
            complete_task(context, asked.task_id, {}),
            claim_task(context, asked.task_id),
            cancel_task(context, asked.task_id, "no longer needed"),
        ):
            with pytest.raises(Conflict, match="RUN_ENDED"):
                await refused
        assert (await asked.task())["status"] == "pending"


class TestClaiming:
    async def test_a_claimed_task_is_its_claimers(
        self, context: OperationContext, asked: Asked, as_user: AsUser, query: Query
    ) -> None:
        async with as_user(Level.OPERATE, "ada") as ada, as_user(Level.OPERATE, "bob") as bob:
            assert (await claim_task(ada, asked.task_id)).claimed_by == "ada"
            assert (await claim_task(ada, asked.task_id)).claimed_by == "ada"
            for refused in (
                claim_task(bob, asked.task_id),
                unclaim_task(bob, asked.task_id),
                complete_task(bob, asked.task_id, {}),
            ):
                with pytest.raises(Conflict, match="TASK_CLAIMED") as said:
                    await refused
                assert said.value.details == {"claimedBy": "ada"}
            assert (await unclaim_task(ada, asked.task_id)).claimed_by is None
            assert (await unclaim_task(ada, asked.task_id)).claimed_by is None
            assert (await claim_task(bob, asked.task_id)).claimed_by == "bob"
        assert (await unclaim_task(context, asked.task_id)).claimed_by is None
        names = ["workflow_task_claim", "workflow_task_unclaim", "workflow_task_claim", "workflow_task_unclaim"]
        assert await audited(query) == names

    async def test_an_admin_may_answer_what_others_have_claimed(
        self, context: OperationContext, asked: Asked, as_user: AsUser
    ) -> None:
        async with as_user(Level.OPERATE, "ada") as ada:
            await claim_task(ada, asked.task_id)
        assert (await complete_task(context, asked.task_id, {})).status == "completed"
        task = await asked.task()
        assert (task["claimed_by"], task["completed_by"]) == ("ada", "tester")

    async def test_of_two_claims_at_once_one_wins(self, context: OperationContext, asked: Asked) -> None:
        contexts = [replace(context, actor=Actor(f"actor {n}")) for n in range(6)]
        claims = await asyncio.gather(*(claim_task(one, asked.task_id) for one in contexts), return_exceptions=True)
        won = [claim for claim in claims if not isinstance(claim, BaseException)]
        assert len(won) == 1
        assert (await asked.task())["claimed_by"] == won[0].claimed_by


class TestCanceling:
    async def test_the_step_of_a_canceled_task_fails(
        self, context: OperationContext, asked: Asked, query: Query
    ) -> None:
        closed = await cancel_task(context, asked.task_id, " not needed any more ")
        assert (closed.status, closed.delivered) == ("canceled", True)
        row = await asked.ended()
        assert (row["status"], row["error_json"]["code"]) == ("FAILED", "TASK_CANCELED")
        assert row["error_json"]["message"] == "The task was canceled: not needed any more"
        assert (await asked.task())["status"] == "canceled"
        assert [wait["status"] for wait in await query("SELECT status FROM workflow_run_waits")] == ["CANCELED"]
        again = await cancel_task(context, asked.task_id, "not needed any more")
        assert (again.repeated, again.delivered) == (True, True)
        assert await audited(query) == ["workflow_task_cancel"]
        [line] = await query("SELECT level, context_json FROM workflow_run_logs WHERE message = 'Task canceled'")
        assert (line["level"], line["context_json"]["reason"]) == ("WARN", "not needed any more")

    async def test_a_definition_can_go_on_without_an_answer(
        self, context: OperationContext, temporal: Client, query: Query
    ) -> None:
        async with working(context.store, temporal):
            block = attempt("try", [ask("approve")], [assign("c", code="error.code", why="error.details.reason")])
            asked = await start(context, query, block)
            await cancel_task(context, asked.task_id, "holiday")
            row = await asked.ended()
        assert row["status"] == "SUCCEEDED"
        assert (row["output_json"]["code"], row["output_json"]["why"]) == ("TASK_CANCELED", "holiday")

    async def test_a_cancel_survives_a_temporal_that_is_away(
        self, context: OperationContext, asked: Asked, store: Store, execute: Execute
    ) -> None:
        closed = await cancel_task(OperationContext(store, unreachable(), context.actor), asked.task_id, "holiday")
        assert not closed.delivered
        await execute("UPDATE workflow_event_deliveries SET next_attempt_at = now()")
        assert await tell_due(context) == ToldAll(delivered=1)
        assert (await asked.ended())["error_json"]["code"] == "TASK_CANCELED"

    async def test_an_answer_and_a_cancel_at_once_are_one_of_both(
        self, context: OperationContext, asked: Asked
    ) -> None:
        answers = await asyncio.gather(
            complete_task(context, asked.task_id, {"approved": True}),
            cancel_task(context, asked.task_id, "holiday"),
            return_exceptions=True,
        )
        [won] = [answer for answer in answers if not isinstance(answer, BaseException)]
        row = await asked.ended()
        assert (await asked.task())["status"] == won.status
        assert row["status"] == {"completed": "SUCCEEDED", "canceled": "FAILED"}[won.status]

    async def test_a_reason_is_needed(self, context: OperationContext, asked: Asked) -> None:
        with pytest.raises(Invalid, match="REASON_TOO_SHORT"):
            await cancel_task(context, asked.task_id, " x ")
        assert (await asked.task())["status"] == "pending"


class TestForms:
    async def test_a_form_can_be_replaced(self, context: OperationContext, query: Query) -> None:
        assert await form_of(context, "approval") is None
        assert await register_form(context, "approval", FORM, name="Approval")
        assert not await register_form(context, "approval", FORM, name="Approval")
        assert await form_of(context, "approval") == FORM
        assert await register_form(context, "approval", {"type": "object"})
        assert await form_of(context, "approval") == {"type": "object"}
        entries = await query(
            "SELECT target_id FROM workflow_audit_log WHERE operation = 'workflow_task_form_register'"
        )
        assert [entry["target_id"] for entry in entries] == ["approval", "approval"]

    async def test_what_a_form_holds_of_a_hidden_answer_is_hidden(self, context: OperationContext) -> None:
        code = {"type": "string", "x-sensitive": True, "default": "canary"}
        await register_form(
            context, "approval", {"type": "object", "properties": {"code": code, "pin": {"type": "string"}}}
        )
        assert (await form_of(context, "approval"))["properties"] == {
            "code": {**code, "default": "[REDACTED]"},
            "pin": {"type": "string"},
        }

    @pytest.mark.parametrize(
        ("task_type", "schema", "code"),
        [
            ("approval", {"type": "objekt"}, "FORM_SCHEMA_INVALID"),
            ("approval", {"$ref": "https://forms.example/x.json"}, "FORM_SCHEMA_INVALID"),
            ("approval", "object", "FORM_SCHEMA_INVALID"),
            ("approval", {"enum": ["x" * 300_000]}, "FORM_TOO_LARGE"),
            # Its size is known before anything else of it.
            ("approval", {"type": "objekt", "title": "x" * 300_000}, "FORM_TOO_LARGE"),
            (" ", {}, "TASK_TYPE_INVALID"),
            ("a\0b", {}, "TASK_TYPE_INVALID"),
        ],
    )
    async def test_what_cannot_be_a_form_is_refused(
        self, context: OperationContext, task_type: str, schema: Any, code: str
    ) -> None:
        with pytest.raises(Invalid, match=code):
            await register_form(context, task_type, schema)

    async def test_forms_are_for_admins(self, as_user: AsUser) -> None:
        async with as_user(Level.OPERATE) as operator:
            with pytest.raises(Forbidden):
                await register_form(operator, "approval", FORM)
