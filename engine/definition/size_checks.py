"""How long names may be and how large versions: what the engine's tables and their indexes hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.definition.issues import ROOT, Issue, Place
from engine.definition.sites import Site
from engine.values.request_limits import MAX_KEY_BYTES, MAX_NAME_CHARACTERS, MAX_VERSION, utf8_bytes


def definition_size_issues(definition: dict[str, Any]) -> Iterator[Issue]:
    """NAME_TOO_LONG and NUMBER_TOO_LARGE for what the definition is called and what starts it."""
    trigger = definition.get("trigger")
    within = trigger if isinstance(trigger, dict) else {}
    for pointer, name in (
        ("/id", definition.get("id")),
        ("/payloadSchemaRef", definition.get("payloadSchemaRef")),
        ("/trigger/eventName", within.get("eventName")),
        ("/trigger/sourcePayloadSchemaRef", within.get("sourcePayloadSchemaRef")),
    ):
        yield from _name_issues(pointer, name, ROOT)
    yield from _title_issues("/name", definition.get("name"), ROOT)
    yield from _version_issues("/version", definition.get("version"), ROOT)


def step_size_issues(site: Site) -> Iterator[Issue]:
    """NAME_TOO_LONG and NUMBER_TOO_LARGE for what a step is called, and what it waits for or calls."""
    for pointer, name in (
        ("/id", site.step.get("id")),
        ("/workflowId", site.step.get("workflowId")),
        ("/config/eventName", site.config.get("eventName")),
        ("/config/actionId", site.config.get("actionId")),
        ("/config/taskType", site.config.get("taskType")),
    ):
        yield from _name_issues(pointer, name, site.place)
    yield from _version_issues("/workflowVersion", site.step.get("workflowVersion"), site.place)
    yield from _version_issues("/config/version", site.config.get("version"), site.place)


def _name_issues(pointer: str, name: Any, place: Place) -> Iterator[Issue]:
    if isinstance(name, str) and len(name) > MAX_NAME_CHARACTERS:
        message = f"{pointer}: The name has {len(name)} characters; {MAX_NAME_CHARACTERS} are allowed."
        yield place.error("NAME_TOO_LONG", message, "Give it a shorter name.")


def _title_issues(pointer: str, title: Any, place: Place) -> Iterator[Issue]:
    """Lists are in the order of the names, so an index holds them, beside the id."""
    if isinstance(title, str) and utf8_bytes(title) > MAX_KEY_BYTES:
        message = f"{pointer}: The name has {utf8_bytes(title)} bytes; {MAX_KEY_BYTES} are allowed."
        yield place.error("NAME_TOO_LONG", message, "Give it a shorter name, and say more in the description.")


def _version_issues(pointer: str, version: Any, place: Place) -> Iterator[Issue]:
    if isinstance(version, int) and version > MAX_VERSION:
        message = f"{pointer}: The version is above {MAX_VERSION}, which no version can be."
        yield place.error("NUMBER_TOO_LARGE", message, "Count versions from 1.")
