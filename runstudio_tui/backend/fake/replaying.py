"""Replays in the fake world. What is hidden in it has no true value: the placeholder stays in the new run's input."""

from __future__ import annotations

import copy
import hashlib
import json

from engine import advice
from engine.errors import Conflict, Invalid
from engine.records import Document, Json, JsonChange, Original, Override, Patch, ReplayBase, ReplayInput
from runstudio_tui.backend.fake.run import FakeRun
from runstudio_tui.domain.json_text import placeholders


def base_of(run: FakeRun) -> ReplayBase:
    """The input of a run as it may be edited. Raises Conflict (INPUT_NOT_STORED)."""
    if run.payload is None:
        raise Conflict(
            "INPUT_NOT_STORED",
            f"The input of run {run.row.run_id} was never stored, so it cannot be replayed unedited.",
            advice.REPLAY_WITH_INPUT.to("Replay it with an input of your own", run=run.row.run_id),
        )
    document = run.payload
    spelled = json.dumps([document.value, sorted(document.masked)], sort_keys=True)
    return ReplayBase(document.value, document.masked, hashlib.sha256(spelled.encode()).hexdigest())


def input_of(run: FakeRun, given: ReplayInput) -> Document:
    """What a replay starts with. Raises Conflict (INPUT_NOT_STORED, REPLAY_BASE_CHANGED), Invalid as the engine does."""
    match given:
        case Original():
            base = base_of(run)
            return Document(base.value, base.masked)
        case Override(value):
            _refuse_placeholder(value)
            return Document(value)
        case Patch(digest, changes):
            base = base_of(run)
            if base.digest != digest:
                raise Conflict(
                    "REPLAY_BASE_CHANGED",
                    "What was edited is not the input of this run as it is shown now.",
                    "Read the input again and repeat the edit.",
                )
            for change in changes:
                if change.op != "remove":
                    _refuse_placeholder(change.value, change.path)
            value = patched(base.value, changes)
            still = frozenset(placeholders(value))
            return Document(value, still)


def patched(value: Json, changes: tuple[JsonChange, ...]) -> Json:
    """``value`` with changes as RFC 6902 means them. Raises Invalid (PATCH_PATH_INVALID)."""
    result = copy.deepcopy(value)
    for change in changes:
        *names, last = ["", *(part.replace("~1", "/").replace("~0", "~") for part in change.path.split("/")[1:])]
        try:
            if not names:
                result = _whole(change)
                continue
            container = result
            for name in names[1:]:
                container = container[_index(name, len(container)) if isinstance(container, list) else name]
            _change(container, last, change)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Invalid(
                "PATCH_PATH_INVALID",
                f"The change {change.op} {change.path} cannot be made.",
                "Read the run's input again and repeat the edit.",
                {"path": change.path},
            ) from error
    return result


def _whole(change: JsonChange) -> Json:
    if change.op == "remove":
        raise ValueError("the whole document cannot be removed")
    return copy.deepcopy(change.value)


def _change(container: Json, name: str, change: JsonChange) -> None:
    value = copy.deepcopy(change.value)
    if isinstance(container, list):
        if change.op == "add":
            end = len(container)
            container.insert(end if name == "-" else _index(name, end + 1), value)
        elif change.op == "replace":
            container[_index(name, len(container))] = value
        else:
            del container[_index(name, len(container))]
    elif change.op == "remove":
        del container[name]
    elif change.op == "replace" and name not in container:
        raise KeyError(name)
    else:
        container[name] = value


def _index(name: str, end: int) -> int:
    if not name.isdigit() or int(name) >= end or str(int(name)) != name:
        raise IndexError(name)
    return int(name)


def _refuse_placeholder(value: Json, at: str = "") -> None:
    found = next(placeholders(value, at), None)
    if found is not None:
        raise Invalid(
            "PLACEHOLDER_IN_PAYLOAD",
            f"The input holds [REDACTED] at {found or '/'}: a value that was hidden, not the value itself.",
            "Leave the hidden value as it is, or write the real one.",
            {"path": found},
        )
