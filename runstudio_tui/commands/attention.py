"""``runstudio attention``: everything an operator should look at now."""

from __future__ import annotations

from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.options import Json
from runstudio_tui.commands.output import print_json, print_table, run_command, say


def attention(as_json: Json = False) -> None:
    """List what needs attention, the most urgent first: stuck and failed runs, dead deliveries, late tasks and more."""

    async def work() -> None:
        from runstudio_tui.domain.present import moment

        async with open_engine() as engine:
            found = await engine.system.attention()
        if as_json:
            print_json(
                {
                    "items": found.items,
                    "more": sorted(found.more),
                    "temporalError": found.temporal_error,
                    "serverNow": found.server_now,
                }
            )
            return
        zone = display_zone()
        rows = [
            (item.kind, moment(item.since, found.server_now, zone), item.key, item.title, item.reason)
            for item in found.items
        ]
        print_table(("WHAT", "SINCE", "ID", "OF", "WHY"), rows, none="Nothing needs attention.")
        for kind in sorted(found.more):
            say(f"There is more of this kind than is shown: {kind}")
        if found.temporal_error:
            say(f"Workflow tasks were not looked at: {found.temporal_error}")

    run_command(work, as_json=as_json)
