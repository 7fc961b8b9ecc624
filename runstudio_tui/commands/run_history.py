"""``runstudio runs snapshots`` and ``runstudio runs audit``: what was kept of old runs, and who did what to a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.options import After, Json, Limit
from runstudio_tui.commands.output import print_json, print_table, run_command, say, say_document, say_more

if TYPE_CHECKING:
    from engine.client import Engine
    from engine.records import RunRow, Snapshot
    from runstudio_tui.domain.json_diff import Edited

_SHORT: Final = 100
"""Characters of a value in the list of changes; whole it stands below."""

RunArgument = Annotated[str, typer.Argument(help="Run id.", show_default=False)]


def snapshots(
    run_id: RunArgument,
    at: Annotated[
        int | None, typer.Option("--at", metavar="N", min=1, help="Show the snapshot of this number, from 1.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the snapshots of a run from before the cutover, or show one and what changed since the one before."""

    async def work() -> None:
        async with open_engine() as engine:
            row = (await engine.runs.get(run_id)).row
            found = await engine.runs.snapshots(run_id)
            if at is not None:
                await _show_one(engine, run_id, found, at, as_json=as_json)
                return
        if as_json:
            print_json({"snapshots": found})
        else:
            _print_list(found, _none_of(row))

    run_command(work, as_json=as_json)


def audit(run_id: RunArgument, limit: Limit = 50, after: After = None, as_json: Json = False) -> None:
    """Say who did what to a run, and why, the latest first."""

    async def work() -> None:
        from runstudio_tui.domain.present import NOTHING, full_moment, operation_text

        async with open_engine() as engine:
            await engine.runs.get(run_id)
            page = await engine.runs.audit(run_id, after=after, limit=limit)
        if as_json:
            print_json({"audit": page.rows, "next": page.next, "serverNow": page.server_now})
            return
        zone = display_zone()
        print_table(
            ("AT", "WHO", "LEVEL", "FROM", "WHAT", "REASON"),
            [
                (
                    full_moment(entry.at, zone),
                    entry.actor,
                    entry.level or NOTHING,
                    entry.source or NOTHING,
                    operation_text(entry.operation),
                    entry.reason or NOTHING,
                )
                for entry in page.rows
            ],
            none="Nobody has done anything to this run.",
        )
        say_more(page.next)

    run_command(work, as_json=as_json)


def _print_list(found: tuple[Snapshot, ...], none: str) -> None:
    from runstudio_tui.domain.present import full_moment, size_text

    zone = display_zone()
    print_table(
        ("N", "AFTER STEP", "TAKEN", "SIZE"),
        [
            (
                str(number),
                snapshot.path,
                full_moment(snapshot.created_at, zone),
                f"{size_text(snapshot.size_bytes)}{', too large to be kept' if snapshot.truncated else ''}",
            )
            for number, snapshot in enumerate(found, 1)
        ],
        none=none,
    )


def _none_of(row: RunRow) -> str:
    if row.read_only:
        return "No snapshot of this run was kept."
    return (
        "Only runs from before the cutover have snapshots; "
        f"`runstudio runs state {row.run_id} --step STEP` shows the state of this one."
    )


async def _show_one(engine: Engine, run_id: str, found: tuple[Snapshot, ...], number: int, *, as_json: bool) -> None:
    from engine.errors import NotFound
    from runstudio_tui.domain.json_diff import difference
    from runstudio_tui.domain.present import full_moment, size_text

    if number > len(found):
        raise NotFound(
            "SNAPSHOT_NOT_FOUND",
            f"There is no snapshot {number} of this run; it has {len(found)}.",
            "`runstudio runs snapshots ID` lists them.",
        )
    snapshot = found[number - 1]
    body = await engine.runs.snapshot_body(run_id, snapshot.snapshot_id)
    before = found[number - 2] if number > 1 else None
    comparable = before is not None and not before.truncated and not snapshot.truncated
    changed: tuple[Edited, ...] | None = None
    if before is not None and comparable:
        changed = difference((await engine.runs.snapshot_body(run_id, before.snapshot_id)).value, body.value).changes
    if as_json:
        told: dict[str, Any] = {"number": number, "of": len(found), "snapshot": snapshot, "body": body}
        print_json({**told, "changes": None if changed is None else [_patch(change) for change in changed]})
        return
    say(f"{number} of {len(found)}  {snapshot.path}  {full_moment(snapshot.created_at, display_zone())}")
    if snapshot.truncated:
        say(f"This snapshot was too large to be kept ({size_text(snapshot.size_bytes)}); nothing of it is stored.")
        return
    say("", _heading(before, changed))
    for change in changed or ():
        say(f"  {_line(change)}")
    say()
    say_document(body)


def _patch(change: Edited) -> dict[str, Any]:
    made = change.change
    told: dict[str, Any] = {"op": made.op, "path": made.path}
    if made.op != "remove":
        told["value"] = made.value
    return told if made.op == "add" else {**told, "was": change.was}


def _line(change: Edited) -> str:
    made, was, now = change.change, _short(change.was), _short(change.change.value)
    match made.op:
        case "add":
            return f"+ {made.path}: {now}"
        case "remove":
            return f"- {made.path}: {was}"
        case _:
            return f"~ {made.path or '/'}: {was} -> {now}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _heading(before: Snapshot | None, changed: tuple[Edited, ...] | None) -> str:
    if before is None:
        return "the first one: there is none before it to compare with"
    if changed is None:
        return "the one before was too large to be kept, so nothing is compared"
    return "changed since the one before:" if changed else "nothing changed since the one before"
