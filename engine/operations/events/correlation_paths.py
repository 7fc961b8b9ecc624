"""Where events without an explicit key carry their keys, by event name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.errors import Invalid
from engine.operations.context import OperationContext
from engine.records import Level
from engine.store.database.transactions import writing
from engine.store.tenant.audit import AuditEntry
from engine.store.tenant.settings import load_settings, save_settings
from engine.values.request_limits import MAX_NAME_CHARACTERS

_PATH = re.compile(r"[^.\s\0][^\s\0]{0,199}")


async def correlation_paths(context: OperationContext) -> dict[str, list[str]]:
    """The tenant's paths: event name, or ``*`` for every event, to dotted payload paths. Needs the level read.

    Raises ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.READ)
    async with writing(context.store) as connection:
        return (await load_settings(connection, context.tenant)).correlation_paths or {}


async def set_correlation_paths(context: OperationContext, paths: Mapping[str, Sequence[str]]) -> None:
    """Replace the tenant's paths: event name, or ``*`` for every event, to dotted payload paths. Needs the level admin.

    Setting what is set already writes nothing. Raises ``Invalid`` (CORRELATION_PATH_INVALID), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    if not isinstance(paths, Mapping):
        raise _invalid("The paths are no JSON object.")
    wanted: dict[str, list[str]] = {}
    for name, values in paths.items():
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_CHARACTERS:
            raise _invalid(f"{str(name)[:60]!r} is no name of an event.")
        if not isinstance(values, list | tuple):
            raise _invalid(f"{name[:60]!r} has no list of paths.")
        wrong = next((path for path in values if not isinstance(path, str) or not _PATH.fullmatch(path)), None)
        if wrong is not None or None in values:
            raise _invalid(f"{name[:60]!r}: {str(wrong)[:60]!r} is no path.")
        wanted[name] = list(values)
    async with writing(context.store) as connection:
        settings = await load_settings(connection, context.tenant)
        if settings.correlation_paths == wanted:
            return
        changed = replace(settings, correlation_paths=wanted)
        await save_settings(connection, context.tenant, changed, updated_by=context.actor.name)
        entry = AuditEntry("correlation_paths_set", "settings", context.tenant, details={"eventNames": sorted(wanted)})
        await context.audit(connection, entry)


def _invalid(message: str) -> Invalid:
    hint = 'Write {"EVENT": ["order.id"]}: dotted names of the payload, by event name or * for all.'
    return Invalid("CORRELATION_PATH_INVALID", message, hint)
