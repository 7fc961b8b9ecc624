"""Compiled definitions, shared by all runs of a version in a process."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final

from engine.definition.compile import compile_definition
from engine.definition.other_release import first_unread
from engine.definition.parse import parse_definition
from engine.definition.plan import Plan
from engine.definition.sites import sites, unknown_types

PLANS_KEPT: Final = 256


@lru_cache(maxsize=PLANS_KEPT)
def plan_of(definition: str) -> Plan:
    """The plan of a definition given as JSON text.

    Deterministic, so whether it was compiled before makes no difference to a replay. A step that cannot be read fails when
    it is reached. Raises ``Invalid`` (``INVALID_WORKFLOW_DEFINITION``) when the whole cannot be read.
    """
    return compile_definition(parse_definition(json.loads(definition), lenient=True))


def unread_of(definition: str) -> str | None:
    """What of a published definition, given as JSON text, this build cannot read: another release has published it; or None."""
    return ", ".join(unknown_types(_types_of(definition))) or _first_unread_of(definition)


@lru_cache(maxsize=PLANS_KEPT)
def _first_unread_of(definition: str) -> str | None:
    return first_unread(json.loads(definition))


@lru_cache(maxsize=PLANS_KEPT)
def _types_of(definition: str) -> frozenset[str]:
    return frozenset(site.type for site in sites(json.loads(definition)))
