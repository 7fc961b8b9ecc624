"""``runstudio runs input``, and what ``runs replay`` is given: the original input, another one, or changes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runstudio_tui.commands.connection import open_engine
from runstudio_tui.commands.json_input import read_json
from runstudio_tui.commands.options import Json, Reveal, RevealReason
from runstudio_tui.commands.output import print_json, run_command, say

if TYPE_CHECKING:
    from engine.client import Engine
    from engine.records import JsonChange, ReplayInput


def show_input(
    run_id: Annotated[str, typer.Argument(help="Run id.", show_default=False)],
    text: Annotated[
        bool, typer.Option("--text", help="Nothing but the JSON, as `runs replay --edited` takes it.")
    ] = False,
    reveal: Reveal = False,
    reason: RevealReason = None,
    as_json: Json = False,
) -> None:
    """Show the input of a run as it may be edited for a replay: what is hidden stays as it was unless it is changed.

    With --reveal nothing is hidden, and it cannot be edited.
    """

    async def work() -> None:
        from engine.records import Revealable

        async with open_engine() as engine:
            if reveal:
                print_json(await engine.system.reveal(Revealable.PAYLOAD, run_id, reason or ""))
                return
            base = await engine.runs.replay_base(run_id)
        if text:
            print_json(base.value)
            return
        if as_json:
            print_json({"input": base.value, "hidden": base.masked, "digest": base.digest})
            return
        print_json(base.value)
        if base.masked:
            say(f"hidden: {', '.join(sorted(base.masked))}")
        say(f"digest: {base.digest}")

    run_command(work, as_json=as_json)


class GivenInput:
    """The options of ``runs replay`` about its input, read before anything is asked of a server."""

    def __init__(self, payload: str | None, edited: str | None, patch: str | None, digest: str | None) -> None:
        """Raises ``Invalid`` (ONE_INPUT_ONLY, PATCH_INVALID, FILE_UNREADABLE, JSON_*)."""
        from engine.errors import Invalid
        from engine.records import Original, Override

        if sum(given is not None for given in (payload, edited, patch)) > 1:
            told = "--payload, --edited and --patch exclude each other."
            raise Invalid("ONE_INPUT_ONLY", told, "Leave all but one of them out.")
        if digest is not None and patch is None and edited is None:
            told = "--base is the digest of what --patch or --edited changes."
            raise Invalid("ONE_INPUT_ONLY", told, "Add one of them, or leave it out.")
        self._changes = None if patch is None else _changes(read_json(patch))
        self._edited = None if edited is None else [read_json(edited)]
        self._digest = digest
        self._other: ReplayInput = Original() if payload is None else Override(read_json(payload))
        self.original = payload is None and edited is None and patch is None

    async def of(self, engine: Engine, run_id: str) -> ReplayInput:
        """What the engine is told. Without a digest, changes are to the input as it is shown now.

        Raises as ``replay_base``, and ``Invalid`` (PLACEHOLDER_IN_PAYLOAD).
        """
        from engine.records import Original, Patch

        if self._edited is not None:
            base = await engine.runs.replay_base(run_id)
            changes = _made_by_hand(base.value, self._edited[0])
            return Patch(self._digest or base.digest, changes) if changes or self._digest else Original()
        if self._changes is None:
            return self._other
        return Patch(self._digest or (await engine.runs.replay_base(run_id)).digest, self._changes)


def _made_by_hand(base: Any, edited: Any) -> tuple[JsonChange, ...]:
    """What makes an edited text of the one it was, hidden values left alone. Raises ``Invalid`` (PLACEHOLDER_IN_PAYLOAD)."""
    from engine.errors import Invalid
    from engine.wording import clause
    from runstudio_tui.domain.json_diff import difference

    found = difference(base, edited)
    if found.misplaced:
        wrong = found.misplaced[0]
        raise Invalid(
            "PLACEHOLDER_IN_PAYLOAD",
            f"At {wrong.pointer or '/'} {clause(wrong.message)}.",
            "Begin again with the text of `runs input --text`.",
            {"path": wrong.pointer},
        )
    return tuple(change.change for change in found.changes)


def _changes(value: Any) -> tuple[JsonChange, ...]:
    """A JSON Patch (RFC 6902) of ``add``, ``replace`` and ``remove``. Raises ``Invalid`` (PATCH_INVALID)."""
    from engine.errors import Invalid
    from engine.records import JsonChange

    hint = 'Write a JSON Patch: [{"op": "add, replace or remove", "path": "/a/b", "value": ...}].'
    if not isinstance(value, list):
        raise Invalid("PATCH_INVALID", "The patch is no JSON array.", hint)
    changes: list[JsonChange] = []
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
        changes.append(JsonChange(item["op"], item["path"], item.get("value")))
    return tuple(changes)
