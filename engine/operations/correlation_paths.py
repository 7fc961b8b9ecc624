"""Where events without an explicit key carry their keys, by event name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.errors import Invalid
from engine.operations.actor import Level
from engine.operations.context import OperationContext
from engine.store.audit import AuditEntry
from engine.store.settings import load_settings, save_settings
from engine.store.transactions import writing

_PATH = re.compile(r"[^.\s\0][^\s\0]{0,199}")


async def set_correlation_paths(context: OperationContext, paths: Mapping[str, Sequence[str]]) -> None:
    """Replace the tenant's paths: event name, or ``*`` for every event, to dotted payload paths. Needs the level admin.

    Setting what is set already writes nothing. Raises ``Invalid`` (CORRELATION_PATH_INVALID), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    wanted = {name: list(values) for name, values in paths.items()}
    for name, values in wanted.items():
        for path in values:
            if not name.strip() or not isinstance(path, str) or not _PATH.fullmatch(path):
                raise Invalid(
                    "CORRELATION_PATH_INVALID",
                    f"{name!r}: {path!r} is no path.",
                    "Use dotted names of the payload, such as order.id.",
                )
    async with writing(context.store) as connection:
        settings = await load_settings(connection, context.tenant)
        if settings.correlation_paths == wanted:
            return
        changed = replace(settings, correlation_paths=wanted)
        await save_settings(connection, context.tenant, changed, updated_by=context.actor.name)
        entry = AuditEntry("correlation_paths_set", "settings", context.tenant, details={"eventNames": sorted(wanted)})
        await context.audit(connection, entry)
