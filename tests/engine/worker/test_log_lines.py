"""A worker's log: JSON lines, and no words that may be data."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from engine.actions.context import ActionContext
from engine.actions.declaration import action, declarations_of
from engine.actions.invoke import invoke
from engine.actions.schema import ActionModel
from engine.errors import Conflict
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.worker.log_lines import log_as_json
from tests.engine.actions.conftest import make_context

__all__ = ["make_context"]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What was logged so far, parsed."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    log_as_json("info")

    def parsed() -> list[dict[str, Any]]:
        # Escaped, so that no data can drive the terminal in which somebody reads the log.
        assert written.getvalue().replace("\n", "").isprintable()
        return [json.loads(line) for line in written.getvalue().splitlines()]

    yield parsed
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_is_an_object_with_time_level_and_logger(lines: Any) -> None:
    structlog.get_logger("runstudio.test").info("launch started", run_id="r1", count=3)
    structlog.get_logger("runstudio.test").debug("not at this level")
    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "launch started", "level": "info", "logger": "runstudio.test", "run_id": "r1", "count": 3}


def test_the_words_of_an_exception_are_left_out(lines: Any) -> None:
    try:
        raise ValueError("canary-4711")
    except ValueError:
        logging.getLogger("temporalio.activity").warning("Completing activity as failed", exc_info=True)
        structlog.get_logger("runstudio.test").exception("it broke")
    foreign, ours = lines()
    assert foreign["error"] == ours["error"] == "ValueError"
    assert foreign["at"].startswith("test_log_lines.py:")
    assert "canary" not in json.dumps([foreign, ours])


async def test_what_an_action_logs_is_redacted_and_rid_of_its_secrets(
    lines: Any, make_context: Callable[..., ActionContext]
) -> None:
    class Call(ActionModel):
        key: str

    @action("test.talks", input=Call, output=Call, accepts_secrets=True)
    def talks(call: Call, ctx: ActionContext) -> dict[str, Any]:
        ctx.logger.info("calling", sent=[call.key[::-1]], password="other-1", url=f"https://u:{call.key}@h/")
        logging.getLogger("a.library").warning("GET https://h/?x=%s", call.key)
        return {"key": "done"}

    await invoke(declarations_of(talks)[0], {"key": "canary-4711"}, make_context(), ("canary-4711",))
    logging.getLogger("a.library").warning("token=other-2")
    said = lines()
    assert [line["event"] for line in said] == [
        "calling", f"GET https://h/?x={PLACEHOLDER}", f"token={PLACEHOLDER}",
    ]  # fmt: skip
    assert (said[0]["sent"], said[0]["password"], said[0]["url"]) == ([PLACEHOLDER], PLACEHOLDER, PLACEHOLDER)
    assert said[0]["step_path"] == "root.steps[0]"
    assert not any(word in json.dumps(said) for word in ("canary", "1174", "other-"))


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
def test_what_the_sdk_is_sent_is_not_written_down(lines: Any, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest has put its own back for the test itself.
    [ours] = [handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler]
    monkeypatch.setattr(sys, "stderr", ours.stream)
    log_as_json(level)
    for module in ("_activity", "_workflow", "_workflow_instance"):
        logger = logging.getLogger(f"temporalio.worker.{module}")
        logger.debug("Received workflow activation:\n%s", "canary-4711")
        logger.info("A worker that begins")
    assert [line["event"] for line in lines()] == (["A worker that begins"] * 3 if level != "warning" else [])


def test_the_words_of_a_refusal_of_ours_stay(lines: Any) -> None:
    try:
        raise Conflict("WORKFLOW_PAUSED", "The workflow orders is paused.", "Wait.")
    except Conflict:
        structlog.get_logger("runstudio.test").exception("refused")
    [line] = lines()
    assert (line["code"], line["message"]) == ("WORKFLOW_PAUSED", "The workflow orders is paused.")


def test_ids_of_the_sdk_are_kept_and_nothing_else_it_adds(lines: Any) -> None:
    extra = {"temporal_activity": {"activity_id": "7"}, "payload": "canary-4711"}
    logging.getLogger("temporalio.activity").warning("slow", extra=extra)
    [line] = lines()
    assert line["temporal_activity"] == {"activity_id": "7"}
    assert "canary" not in json.dumps(line)


def test_what_could_break_a_terminal_is_escaped(lines: Any) -> None:
    structlog.get_logger("runstudio.test").info("\x1b]0;title\x07", name="\x9b2J")
    assert lines()[0]["event"] == "\x1b]0;title\x07"
