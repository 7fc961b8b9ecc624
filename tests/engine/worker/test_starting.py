"""A part that has not had its first chance is starting: not ready, not failing, and not for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from temporalio.bridge.worker import Worker as CoreWorker

from engine.operations.context import OperationContext
from engine.operations.health import system_health
from engine.records import HealthPart
from engine.store.database.transactions import Store, writing
from engine.store.tenant.workers import WorkerProcess, load_workers, record_heartbeat
from engine.worker import polling
from engine.worker.parts import Part, PartReport, Parts
from tests.engine.operations.conftest import until
from tests.engine.worker.hosts import get, ready, running, settings
from tests.engine.workflow.harness import PATIENCE_SECONDS

HOURS = 36_000.0


async def becomes(report: PartReport, state: str) -> None:
    async def has_become() -> bool:
        return report.state == state

    await until(has_become)


async def test_what_a_starting_part_waits_for_is_no_failure() -> None:
    seen = asyncio.Event()

    async def polls(report: PartReport) -> None:
        report.not_yet("It is not seen yet.")
        report.not_yet("It is not seen yet.")
        await seen.wait()
        report.succeeded()
        await report.stopping.wait()

    parts = Parts([Part("polls", polls, HOURS)])
    with capture_logs() as lines:
        assert parts.to_json()["polls"] == {"state": "starting", "ready": False, "lastSuccess": None}
        parts.start()

        async def told() -> bool:
            return parts.to_json()["polls"].get("detail") == "It is not seen yet."

        await until(told)
        assert parts.to_json()["polls"]["state"] == "starting"
        assert not parts.ready
        seen.set()
        await becomes(parts.reports[0], "running")
        assert parts.ready
        assert "detail" not in parts.to_json()["polls"]
        await parts.stop(60.0)
    assert [(line["event"], line["log_level"]) for line in lines] == [("part is starting", "info")]


@pytest.mark.parametrize("waits_for", ["It is not seen yet.", ""])
async def test_a_part_whose_first_success_never_comes_is_failing(waits_for: str) -> None:
    async def never(report: PartReport) -> None:
        if waits_for:
            report.not_yet(waits_for)
        await report.stopping.wait()

    parts = Parts([Part("never", never, 0.05)])
    with capture_logs() as lines:
        parts.start()
        await becomes(parts.reports[0], "failing")
        assert not parts.ready
        assert parts.to_json()["never"]["detail"] == (waits_for or "It has not succeeded for 0.05 s.")
        await parts.stop(60.0)
    assert [line["log_level"] for line in lines if line["event"] == "part is failing"] == ["warning"]


async def test_a_part_that_succeeded_and_then_hangs_is_failing_until_it_succeeds_again() -> None:
    again = asyncio.Event()

    async def hangs(report: PartReport) -> None:
        report.succeeded()
        await again.wait()
        report.succeeded()
        report.fresh_seconds = HOURS
        await report.stopping.wait()

    parts = Parts([Part("hangs", hangs, 0.05)])
    parts.start()
    await becomes(parts.reports[0], "failing")
    assert parts.to_json()["hangs"]["detail"] == "It has not succeeded for 0.05 s."
    again.set()
    await becomes(parts.reports[0], "running")
    assert parts.ready
    await parts.stop(60.0)


async def test_what_a_part_that_once_worked_waits_for_is_a_failure() -> None:
    report = PartReport("polls", HOURS, asyncio.Event())
    report.succeeded()
    report.not_yet("It is not seen any more.")
    assert (report.state, report.detail, report.ready) == ("failing", "It is not seen any more.", False)


async def told_of_workers(context: OperationContext) -> HealthPart:
    return next(part for part in await system_health(context) if part.name == "workers")


async def test_a_worker_that_starts_is_told_as_starting_and_warns_of_nothing(
    context: OperationContext,
    store: Store,
    database_url: str,
    temporal_address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, really_seen = asyncio.Event(), polling._is_seen

    async def hidden(*arguments: Any) -> bool:
        return seen.is_set() and await really_seen(*arguments)

    monkeypatch.setattr(polling, "_is_seen", hidden)
    with capture_logs() as lines:
        async with running(settings(database_url, temporal_address)) as host:

            async def only_temporal_is_left() -> bool:
                told = (await get(host, "/readyz")).json()
                return (told["ready"], told["notReady"]) == (False, ["temporal"])

            await until(only_temporal_is_left)
            answer = await get(host, "/health")
            assert answer.status_code == (await get(host, "/readyz")).status_code == 503
            assert answer.json()["workers"]["temporal"]["state"] == "starting"
            assert "not see this worker" in answer.json()["workers"]["temporal"]["detail"]

            async def row_tells(state: str) -> bool:
                async with writing(store) as connection:
                    return [worker.parts["temporal"]["state"] for worker in await load_workers(connection)] == [state]

            await until(lambda: row_tells("starting"))
            told = await told_of_workers(context)
            assert told.state == "degraded"
            assert "starting: " in told.detail
            assert "temporal" in told.detail
            assert "failing" not in told.detail
            seen.set()
            await ready(host)
            await until(lambda: row_tells("running"))
            assert (await told_of_workers(context)).state == "ok"
    assert [line for line in lines if line["log_level"] in {"warning", "error"}] == []


async def test_a_worker_to_which_temporal_does_not_answer_when_it_begins_begins_again(
    database_url: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    """The SDK's client takes no second worker for a task queue while it knows of a first one, begun or not."""
    validate, asked = CoreWorker.validate, []

    async def late(self: CoreWorker) -> Any:
        asked.append(self)
        if len(asked) == 1:
            raise RuntimeError("Worker validation failed: the namespace could not be described\n\nCaused by: time-out")
        return await validate(self)

    monkeypatch.setattr(CoreWorker, "validate", late)
    with capture_logs() as lines:
        async with running(settings(database_url, temporal_address)) as host:
            await ready(host)
    assert len(asked) == 2
    told = [line for line in lines if line.get("part") == "temporal" and line["log_level"] in {"warning", "error"}]
    assert told[0]["reason"] == (
        "Temporal did not let the worker begin: Worker validation failed: the namespace could not be described."
    )
    assert all(line["event"] == "part is failing" for line in told), "nothing broke"


@pytest.mark.parametrize("poll", ["poll_activity_task", "poll_workflow_activation"])
async def test_a_worker_whose_polling_is_refused_says_why_and_begins_again(
    poll: str, database_url: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    """As with a key that has expired, or has the right to describe and not to poll: the SDK ends the worker."""
    really, asked = getattr(CoreWorker, poll), []

    async def refused(self: CoreWorker) -> Any:
        asked.append(self)
        if len(asked) == 1:
            raise RuntimeError("Poll failure: Unhandled grpc error when polling: Request unauthorized.\nCaused by: x")
        return await really(self)

    monkeypatch.setattr(CoreWorker, poll, refused)
    with capture_logs() as lines:
        async with running(settings(database_url, temporal_address)) as host:
            await ready(host)
    told = [line for line in lines if line.get("part") == "temporal" and line["log_level"] in {"warning", "error"}]
    assert told[0]["reason"] == (
        "Temporal does not let the worker poll: Unhandled grpc error when polling: Request unauthorized."
    )
    assert all(line["event"] == "part is failing" for line in told), "nothing broke"


async def test_the_doctor_tells_starting_from_failing(context: OperationContext, store: Store) -> None:
    async def alive(name: str, **states: str) -> None:
        parts = {part: {"state": state} for part, state in states.items()}
        async with writing(store) as connection:
            await record_heartbeat(connection, WorkerProcess(name, "host", 1, "0.1.0", "queue"), parts)

    await alive("one", temporal="starting", reconciler="running")
    told = await told_of_workers(context)
    assert (told.state, told.detail) == ("degraded", "1 alive; starting: temporal")
    assert told.advice
    await alive("two", temporal="running", reconciler="running")
    assert (await told_of_workers(context)).state == "ok", "one works while the other one starts"
    await alive("two", temporal="running", reconciler="failing")
    told = await told_of_workers(context)
    assert (told.state, told.detail) == ("degraded", "2 alive; failing: reconciler")


async def test_a_worker_whose_module_hangs_when_it_is_imported_can_be_ended(tmp_path: Path) -> None:
    (tmp_path / "made_up_hanging.py").write_text("import time\nprint('imported', flush=True)\ntime.sleep(36_000)\n")
    program = (
        "import asyncio; from engine.settings import Settings; from engine.worker.host import run_worker;"
        " raise SystemExit(asyncio.run(run_worker(Settings.load(), ['made_up_hanging'])))"
    )
    paths = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env={**os.environ, "PYTHONPATH": paths}, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"imported\n"
        child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(child.wait(), PATIENCE_SECONDS) == -signal.SIGTERM
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
