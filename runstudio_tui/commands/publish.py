"""``runstudio publish``: make definitions runnable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.records.plain import plain
from runstudio_tui.commands.action_modules import loaded_modules
from runstudio_tui.commands.connection import open_engine
from runstudio_tui.commands.json_input import read_json, read_object
from runstudio_tui.commands.options import Actions, Json
from runstudio_tui.commands.output import Exit, print_json, progress, run_command, say
from runstudio_tui.commands.targets import Outcomes, Refused, Settled, any_refused, print_outcomes, settle_each

if TYPE_CHECKING:
    from engine.errors import EngineError
    from engine.records import Published


def publish(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="JSON files, or - for stdin.", show_default=False)],
    schema: Annotated[str | None, typer.Option("--payload-schema", help="JSON schema file of the payload.")] = None,
    example: Annotated[
        list[str] | None, typer.Option("--example", help="Payload file to start runs from; may be given several times.")
    ] = None,
    *,
    if_changed: Annotated[
        bool, typer.Option("--if-changed", help="Write nothing when the latest version is the same.")
    ] = False,
    actions: Actions = None,
    as_json: Json = False,
) -> None:
    """Check definitions and publish each as the next version of its workflow; warnings do not block.

    Exit code 2 when a definition has errors; of several files, 1 when some were refused, and the others are published.
    """

    async def work() -> Exit:
        from engine.errors import EngineError, Invalid

        distinct = tuple(dict.fromkeys(files))
        if len(distinct) > 1 and (schema is not None or example):
            raise Invalid(
                "ONE_DEFINITION_ONLY",
                "--payload-schema and --example are for one definition.",
                "Publish that one by itself; nothing was published.",
            )
        bodies = {file: read_object(file, "DEFINITION_NOT_OBJECT", "definition") for file in distinct}
        payload_schema = read_json(schema) if schema is not None else None
        payloads = {path: read_json(path) for path in example or ()}
        modules = loaded_modules(actions)
        try:
            async with open_engine(modules) as engine:

                async def one(file: str) -> Published:
                    return await engine.workflows.publish(
                        bodies[file], payload_schema=payload_schema, examples=payloads, only_if_changed=if_changed
                    )

                outcomes = await settle_each(distinct, one, doing="publishing", as_json=as_json)
        except EngineError as refusal:
            if not as_json:
                _tell_findings(refusal)
            raise
        _tell(outcomes, as_json=as_json)
        return Exit.REFUSED if any_refused(outcomes) else Exit.DONE

    run_command(work, as_json=as_json)


def _tell(outcomes: Outcomes[Published], *, as_json: bool) -> None:
    match outcomes:
        case [Settled(_, result)] if as_json:
            print_json(result)
        case [Settled(_, result)]:
            _say_warnings(result)
            say(_named(result))
        case _ if as_json:
            print_json({"results": [_told(outcome) for outcome in outcomes]})
        case _:
            for outcome in outcomes:
                if isinstance(outcome, Settled):
                    _say_warnings(outcome.value, f"{outcome.target}: ")
                else:
                    _tell_findings(outcome.error, f"{outcome.target}: ")
            print_outcomes("file", outcomes, _named, as_json=False)


def _told(outcome: Settled[Published] | Refused) -> dict[str, Any]:
    if isinstance(outcome, Refused):
        return {"file": outcome.target, **outcome.to_json()}
    word = "published" if outcome.value.created else "unchanged"
    return {"file": outcome.target, "result": word, **plain(outcome.value)}


def _named(result: Published) -> str:
    same = "" if result.created else ", which is the same; nothing was written"
    return f"{result.workflow_id} version {result.version}{same}"


def _say_warnings(result: Published, prefix: str = "") -> None:
    for warning in result.warnings:
        say(f"{prefix}warning {warning.code} at {warning.step_path}: {warning.message}")


def _tell_findings(refusal: EngineError, prefix: str = "") -> None:
    """On standard error, before the refusal itself, which names only the first of them."""
    if refusal.code != "DEFINITION_INVALID":
        return
    for issue in refusal.details["issues"]:
        advice = issue.get("suggestion", "")
        found = f"{issue['severity']} {issue['code']} at {issue['stepPath']}: {issue['message']} {advice}"
        progress(f"{prefix}{found}".rstrip())
