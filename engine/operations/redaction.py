"""What a tenant hides beside what is hidden for everybody: its rules, and what they would hide in a document."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.errors import Invalid
from engine.operations.context import OperationContext
from engine.records import Document, Level, MarkedPlaces, RedactionRules
from engine.store.catalog.marks import marked_places
from engine.store.database.reader import open_reader
from engine.store.database.transactions import writing
from engine.store.tenant.audit import AuditEntry
from engine.store.tenant.settings import load_settings, save_settings
from engine.values.json_policy import clean_json
from engine.values.redaction.policy import redaction_issues

Json = Any


async def redaction_rules(context: OperationContext) -> RedactionRules:
    """The tenant's rules. Needs the level read. Raises ``Forbidden``, ``Unavailable``."""
    await context.require(Level.READ)
    async with writing(context.store) as connection:
        settings = await load_settings(connection, context.tenant)
    return RedactionRules(settings.redaction_pointers, settings.redaction_key_patterns)


async def marked_as_sensitive(context: OperationContext) -> tuple[MarkedPlaces, ...]:
    """What the schemas of the tenant mark with ``x-sensitive``. Needs the level read. Raises ``Forbidden``, ``Unavailable``."""
    await context.require(Level.READ)
    async with open_reader(context.store, context.tenant) as reader:
        return await marked_places(reader)


async def set_redaction_rules(context: OperationContext, rules: RedactionRules) -> None:
    """Replace the tenant's rules; what is hidden for everybody stays hidden. Needs the level admin.

    Setting what is set already writes nothing. Raises ``Invalid`` (REDACTION_RULES_INVALID), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    issues = redaction_issues(rules.pointers, rules.key_patterns)
    if issues:
        raise Invalid(
            "REDACTION_RULES_INVALID",
            " ".join(issues),
            'Write {"pointers": ["/customer/name"], "keyPatterns": ["^badge$"]}; nothing was changed.',
            {"issues": list(issues)},
        )
    async with writing(context.store) as connection:
        settings = await load_settings(connection, context.tenant)
        changed = replace(
            settings, redaction_pointers=tuple(rules.pointers), redaction_key_patterns=tuple(rules.key_patterns)
        )
        if changed == settings:
            return
        await save_settings(connection, context.tenant, changed, updated_by=context.actor.name)
        details = {"pointers": list(rules.pointers), "keyPatterns": list(rules.key_patterns)}
        await context.audit(connection, AuditEntry("redaction_set", "settings", context.tenant, details=details))


async def try_redaction(context: OperationContext, document: Json) -> Document:
    """``document`` as it would be shown to this tenant, and which places are hidden. Needs the level read; writes nothing.

    Raises ``Invalid`` (JSON_*), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.READ)
    value = clean_json(document).value
    async with open_reader(context.store, context.tenant) as reader:
        return reader.document(value)
