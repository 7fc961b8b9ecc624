"""``runstudio publish``: make a definition runnable."""

from __future__ import annotations

from typing import Annotated

import typer

from runstudio_tui.commands.connection import open_backend
from runstudio_tui.commands.json_input import read_json, read_object
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import Exit, print_json, progress, run_command, say


def publish(
    definition: Annotated[str, typer.Argument(help="JSON file, or - for stdin.", show_default=False)],
    schema: Annotated[str | None, typer.Option("--payload-schema", help="JSON schema file of the payload.")] = None,
    example: Annotated[
        list[str] | None, typer.Option("--example", help="Payload file to start runs from; may be given several times.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a definition and publish it as the next version. Exit code 2 when it has errors; warnings do not block."""

    async def work() -> Exit:
        from engine.actions.registry import load_actions
        from engine.errors import Invalid
        from engine.operations.publish import PublishRequest, publish_definition
        from runstudio_tui.commands.connection import settings_in_use

        body = read_object(definition, "DEFINITION_NOT_OBJECT", "definition")
        payload_schema = read_json(schema) if schema is not None else None
        payloads = {path: read_json(path) for path in example or ()}
        settings = settings_in_use()
        request = PublishRequest(body, payload_schema=payload_schema, examples=payloads)
        registry = load_actions(settings.action_modules, settings)
        try:
            async with open_backend() as backend:
                result = await publish_definition(backend.context, request, registry)
        except Invalid as refusal:
            if not as_json and refusal.code == "DEFINITION_INVALID":
                for issue in refusal.details["issues"]:
                    progress(f"{issue['severity']} {issue['code']} at {issue['stepPath']}: {issue['message']}")
            raise
        if as_json:
            print_json(result)
        else:
            for warning in result.warnings:
                say(f"warning {warning.code} at {warning.step_path}: {warning.message}")
            say(f"{result.workflow_id} version {result.version}")
        return Exit.DONE

    run_command(work, as_json=as_json)
