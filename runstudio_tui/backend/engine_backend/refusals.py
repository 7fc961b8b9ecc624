"""The engine's refusals as the studio's."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine import errors
from runstudio_tui import ports
from runstudio_tui.domain.catalog import Issue
from runstudio_tui.domain.models import RunId

_log = logging.getLogger(__name__)

_KINDS: tuple[tuple[type[errors.EngineError], type[ports.PortError]], ...] = (
    (errors.NotFound, ports.NotFound),
    (errors.Conflict, ports.Conflict),
    (errors.Unavailable, ports.Unavailable),
    (errors.Forbidden, ports.Forbidden),
)


@contextmanager
def translated() -> Iterator[None]:
    """Turns what the engine raises into a ``PortError``. A bug becomes ``Internal``, its traceback goes to the log."""
    try:
        yield
    except errors.EngineError as error:
        raise port_error(error) from error
    except (ports.PortError, OSError):
        raise
    except Exception as error:
        _log.exception("the engine failed")
        raise ports.Internal("Internal error", f"{type(error).__name__}; the log file has the rest.") from error


def port_error(error: errors.EngineError) -> ports.PortError:
    """The same refusal in the studio's family: message as title, hint as detail, code and created run kept."""
    details: dict[str, Any] = error.details
    created = details.get("runId")
    run_id = RunId(str(created)) if created else None
    if error.code == "PAYLOAD_TOO_LARGE":
        return ports.TooLarge(error.message, error.hint, code=error.code, limit_bytes=int(details.get("limit", 0)))
    if isinstance(error, errors.Invalid):
        return ports.Invalid(
            error.message, error.hint, code=error.code, issues=issues_of(details.get("issues")), created_run_id=run_id
        )
    kind = next((port for engine, port in _KINDS if isinstance(error, engine)), ports.PortError)
    return kind(error.message, error.hint, code=error.code, created_run_id=run_id)


def issues_of(value: Any) -> tuple[Issue, ...]:
    """Issues of a payload from the details of a refusal."""
    if not isinstance(value, list):
        return ()
    return tuple(Issue(str(item.get("pointer", "")), str(item.get("message", ""))) for item in value)
