"""``runstudio runs input``, and what ``runs replay`` is given: the original input, another one, or changes to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runstudio_tui.commands.connection import open_backend
from runstudio_tui.commands.json_input import read_json
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import print_json, run_command, say

if TYPE_CHECKING:
    from engine.operations.context import OperationContext
    from engine.operations.json_changes import Change
    from engine.operations.replay import ReplayInput


def show_input(
    run_id: Annotated[str, typer.Argument(help="Run id.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Show the input of a run as it may be edited for a replay: what is hidden stays as it was unless it is changed."""

    async def work() -> None:
        from engine.operations.replay import replay_base

        async with open_backend() as backend:
            base = await replay_base(backend.context, run_id)
        if as_json:
            print_json({"input": base.value, "hidden": base.masked, "digest": base.digest})
            return
        say(json.dumps(base.value, ensure_ascii=False, indent=2))
        if base.masked:
            say(f"hidden: {', '.join(sorted(base.masked))}")
        say(f"digest: {base.digest}")

    run_command(work, as_json=as_json)


class GivenInput:
    """The options of ``runs replay`` about its input, read before anything is asked of a server."""

    def __init__(self, payload: str | None, patch: str | None, digest: str | None) -> None:
        """Raises ``Invalid`` (ONE_INPUT_ONLY, PATCH_INVALID, FILE_UNREADABLE, JSON_*)."""
        from engine.errors import Invalid
        from engine.operations.replay import Original, Override

        if payload is not None and patch is not None:
            raise Invalid("ONE_INPUT_ONLY", "--payload and --patch exclude each other.", "Leave one of them out.")
        if digest is not None and patch is None:
            raise Invalid(
                "ONE_INPUT_ONLY", "--base is the digest of what --patch changes.", "Add --patch, or leave it out."
            )
        self._changes = None if patch is None else _changes(read_json(patch))
        self._digest = digest
        self._other: ReplayInput = Original() if payload is None else Override(read_json(payload))
        self.original = payload is None and patch is None

    async def of(self, context: OperationContext, run_id: str) -> ReplayInput:
        """What the engine is told. Without a digest, changes are to the input as it is shown now. Raises as ``replay_base``."""
        from engine.operations.replay import Patch, replay_base

        if self._changes is None:
            return self._other
        return Patch(self._digest or (await replay_base(context, run_id)).digest, self._changes)


def _changes(value: Any) -> tuple[Change, ...]:
    """A JSON Patch (RFC 6902) of ``add``, ``replace`` and ``remove``. Raises ``Invalid`` (PATCH_INVALID)."""
    from engine.errors import Invalid
    from engine.operations.json_changes import Change

    hint = 'Write a JSON Patch: [{"op": "add, replace or remove", "path": "/a/b", "value": ...}].'
    if not isinstance(value, list):
        raise Invalid("PATCH_INVALID", "The patch is no JSON array.", hint)
    changes: list[Change] = []
    for number, item in enumerate(value):
        removes = isinstance(item, dict) and item.get("op") == "remove"
        fields = {"op", "path"} if removes else {"op", "path", "value"}
        if (
            not isinstance(item, dict)
            or item.keys() != fields
            or item["op"] not in ("add", "replace", "remove")
            or not isinstance(item["path"], str)
        ):
            raise Invalid("PATCH_INVALID", f"The change at /{number} is none.", hint, {"pointer": f"/{number}"})
        changes.append(Change(item["op"], item["path"], item.get("value")))
    return tuple(changes)
