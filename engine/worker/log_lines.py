"""Log lines of a worker: one JSON object per line, with ids, sizes and codes, never a payload.

Messages of exceptions are left out, because they may repeat data (a statement's parameters, a response); an exception is told by
its type and place. Refusals of ours (``EngineError``) are written to carry no data, so their words stay. What an action logs is
redacted.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

import structlog
from structlog.typing import Processor
from temporalio import activity, workflow

from engine.actions.scrubbing import scrubbed_of_used
from engine.errors import EngineError
from engine.values.redaction.policy import BUILT_IN
from engine.values.redaction.redact import redact, redact_text

_IDS: Final = ("temporal_activity", "temporal_workflow")
"""What the SDK knows of the activity or workflow a line is about: ids, types and attempts."""


def log_as_json(level: str) -> None:
    """Send everything that is logged in this process to standard error, as JSON lines from ``level`` on."""
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exception_without_its_words,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _redacted,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(allow=_IDS), *shared],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # One line per poll, per statement or per request is not a log of what the worker did.
    for chatty in ("httpx", "httpcore", "sqlalchemy", "psycopg", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # At debug the SDK writes down what it is sent and sends, with every payload in it.
    logging.getLogger("temporalio.worker").setLevel(max(root.level, logging.INFO))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def describe_failure(error: BaseException) -> dict[str, str]:
    """``{error, at, code?, message?}``: the type and place of an exception, and the words only of a refusal of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    described = {"error": type(error).__name__}
    if frames:
        described["at"] = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    if isinstance(error, EngineError):
        described |= {"code": error.code, "message": error.message}
    return described


def _redacted(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What is logged is redacted by what holds for everybody, and scrubbed of the secrets of the action that logs it."""
    given = scrubbed_of_used(dict(event))
    hidden: MutableMapping[str, Any] = redact(given, BUILT_IN)[0]
    if isinstance(given.get("event"), str):
        hidden["event"] = redact_text(given["event"], BUILT_IN)
    return hidden


def _exception_without_its_words(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    found = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event.update(describe_failure(error))
    return event
