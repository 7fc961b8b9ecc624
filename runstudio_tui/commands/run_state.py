"""``runstudio runs state`` and ``runstudio runs replay``: what a run's data was at a step, and doing a run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from runstudio_tui.commands.connection import open_engine
from runstudio_tui.commands.job_text import Filter, require_runs, submit_for_filter
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import Exit, print_json, print_table, run_command, say, say_document
from runstudio_tui.commands.progress import progress_bar
from runstudio_tui.commands.replay_input import GivenInput
from runstudio_tui.commands.targets import raise_the_same

if TYPE_CHECKING:
    from engine.records import Document, Replayed, ReplayPreview, StepState

_DONE: Final = (
    "Already done or tried, and done again with the same input:",
    "Already done or tried, from where the preview ends on; whether again is not known:",
    "Already done or tried, and not done again:",
)
"""Headings over what a run did already, by what a preview says of it."""


def state(
    run_id: Annotated[str, typer.Argument(help="Run id.", show_default=False)],
    step: Annotated[str, typer.Option(help="Path of a step, or its id in the definition.", show_default=False)],
    iteration: Annotated[str, typer.Option(help="Loop indexes from the outside in, as in 0.3.")] = "",
    visit: Annotated[int, typer.Option(min=1, help="Which of several executions there.")] = 1,
    as_json: Json = False,
) -> None:
    """Show payload, vars, loop scope and error before and after a step, computed again from the records."""

    async def work() -> None:
        async with open_engine() as engine:
            found = await engine.runs.state(run_id, step, iteration=iteration, visit=visit)
        if as_json:
            print_json({"state": found})
        else:
            _say_state(found)

    run_command(work, as_json=as_json)


def replay(
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="RUN_ID", help="Run ids.", show_default=False)] = None,
    *,
    filter_text: Filter = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only say what would be different; execute nothing.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, at least 3 characters; it is audited.")] = "",
    payload: Annotated[
        str | None, typer.Option("--payload", "-p", help="JSON file, or - for stdin. Without it: the original input.")
    ] = None,
    edited: Annotated[
        str | None,
        typer.Option(help="The text of `runs input --text`, edited, or - for stdin: only what was changed is changed."),
    ] = None,
    patch: Annotated[
        str | None,
        typer.Option(help="JSON Patch file, or - for stdin: changes to the original input, see `runs input`."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Digest of the input that --patch or --edited changes; refused when it is another one now."),
    ] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Published version; the run's own without it.")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="The same key starts a run only once.")] = None,
    as_json: Json = False,
) -> None:
    """Start a new run with the input of an old one, and print its id; several runs each with their own original input."""

    async def work() -> Exit:
        from engine.errors import Invalid
        from engine.records import JobKind

        require_runs(run_ids, filter_text)
        targets = run_ids or []
        given = GivenInput(payload, edited, patch, base)
        if len(targets) != 1 and (preview or not given.original or version is not None):
            raise Invalid(
                "ONE_RUN_ONLY",
                "--preview, --payload, --edited, --patch and --version are for one run.",
                "Name one run, or leave them out to replay all of them as they were.",
            )
        if preview and (reason or key is not None):
            raise Invalid(
                "PREVIEW_STARTS_NOTHING",
                "A preview starts no run: it takes no --reason or --idempotency-key.",
                "Leave out --preview to replay the run.",
            )
        if filter_text is not None:
            return await submit_for_filter(JobKind.REPLAY, filter_text, reason, key, as_json=as_json)
        if preview:
            return await _preview(targets[0], given, version, as_json=as_json)
        if len(targets) == 1:
            return await _replay_one(targets[0], reason, given, version, key, as_json=as_json)
        return await _replay_many(targets, reason, key, as_json=as_json)

    run_command(work, as_json=as_json)


async def _preview(run_id: str, given: GivenInput, version: int | None, *, as_json: bool) -> Exit:
    from runstudio_tui.domain.done_before import done_again, done_before

    async with open_engine() as engine:
        found = await engine.runs.preview(run_id, await given.of(engine, run_id), version=version)
        done = done_before(await engine.runs.attempts(run_id), (await engine.runs.steps(run_id)).rows)
    again = done_again(done, found)
    known = (("same", again.same), ("unknown", again.unknown), ("no", again.left_out))
    if as_json:
        told = [
            {
                "step": entry.step,
                "action": entry.action,
                "times": entry.times,
                "tried": entry.tried,
                "again": word,
            }
            for word, entries in known
            for entry in entries
        ]
        print_json({"preview": found, "done": told})
        return Exit.DONE
    _say_preview(found)
    for (_, entries), heading in zip(known, _DONE, strict=True):
        if entries:
            say("", heading)
            for entry in entries:
                say(f"  {entry.text}")
    return Exit.DONE


async def _replay_one(
    run_id: str, reason: str, given: GivenInput, version: int | None, key: str | None, *, as_json: bool
) -> Exit:
    from engine.ids import new_id

    async with open_engine() as engine:
        replay_input = await given.of(engine, run_id)
        result = await engine.runs.replay(
            run_id, reason, replay_input, version=version, idempotency_key=key or new_id()
        )
    if as_json:
        print_json(
            {
                "runId": result.run_id,
                "version": result.version,
                "created": result.created,
                "pending": result.pending,
                "replayOf": run_id,
            }
        )
    else:
        say(result.run_id)
    return Exit.ACCEPTED if result.pending else Exit.DONE


async def _replay_many(run_ids: list[str], reason: str, key: str | None, *, as_json: bool) -> Exit:
    async with open_engine() as engine:
        with progress_bar("replaying", as_json=as_json) as bar:
            outcomes = await engine.runs.replay_many(run_ids, reason, idempotency_key=key, progress=bar)
    raise_the_same([outcome.error for outcome in outcomes])
    results = [_told(outcome) for outcome in outcomes]
    if as_json:
        print_json({"results": results})
    else:
        print_table(
            ("RUN", "NEW RUN"), [(told["run"], told.get("message") or told["runId"]) for told in results], none=None
        )
    if any(outcome.error is not None for outcome in outcomes):
        return Exit.REFUSED
    pending = any(outcome.result is not None and outcome.result.pending for outcome in outcomes)
    return Exit.ACCEPTED if pending else Exit.DONE


def _told(outcome: Replayed) -> dict[str, Any]:
    if outcome.error is not None:
        return {"run": outcome.run_id, "code": outcome.error.code, "message": str(outcome.error)}
    result = outcome.result
    if result is None:
        raise RuntimeError("an outcome is a result or an error")
    return {"run": outcome.run_id, "runId": result.run_id, "created": result.created, "pending": result.pending}


def _say_state(found: StepState) -> None:
    where = f" [{found.iteration}]" if found.iteration else ""
    say(f"{found.step_id}{where}  {found.step_type}  {found.status}  {found.path}")
    _say_document("before", found.before)
    if found.after is not None:
        _say_document("after", found.after)
    elif found.missing is not None:
        say("", "after", f"not known: {found.missing.message}")


def _say_preview(found: ReplayPreview) -> None:
    for issue in found.issues:
        say(f"the schema refuses this input: {issue.pointer or '/'} {issue.message}")
    if found.changed_paths:
        say(f"input differs at {', '.join(found.changed_paths)}")
    for difference in found.differences:
        where = f" [{difference.iteration}]" if difference.iteration else ""
        change = {
            "added": f"would be executed: {difference.now}",
            "dropped": f"would not be executed (was {difference.recorded})",
        }.get(difference.kind, f"{difference.kind}: {difference.recorded} -> {difference.now}")
        say(f"{difference.step_id}{where}  {change}")
    if not found.differences:
        say("Up to here every step goes the same way." if found.stop else "Every step goes the same way.")
    if found.stop is not None:
        say("", f"The preview ends here: {found.stop.message}")
        if found.stop.recorded is not None:
            _say_document("then", found.stop.recorded)
        if found.stop.now is not None:
            _say_document("now", found.stop.now)
        return
    failure = f": {found.error.category}: {found.error.message}" if found.error else ""
    say("", f"It would end as {found.status}{failure}")


def _say_document(heading: str, document: Document) -> None:
    say("", heading)
    say_document(document)
