"""The hidden values of a document: what its copies are looked for by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from engine.values.json_pointer import names_of
from engine.values.redaction.json_in_text import json_in
from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import RedactionPolicy
from engine.values.redaction.redact import redact, redact_text
from engine.values.redaction.spellings import as_read

Json = Any


def hidden_in_row(row: Any, policy: RedactionPolicy) -> Iterator[Json]:
    """The values at the masked places of a row of ``CONTENTS``."""
    if row.kind != "attempt":
        yield from hidden_in(row.document, row.schema, policy)
        return
    for side in ("input", "output"):
        yield from hidden_in(row.document[side], (row.schema or {}).get(side), policy)


def hidden_in(document: Json, schema: Json, policy: RedactionPolicy) -> Iterator[Json]:
    """The values at the masked places of a document; of a text that only has a secret in it, that one alone."""
    if policy.everything:
        return
    shown, places = redact(document, policy.beside(schema, document))
    if not places:
        return
    by_place = redact(_blank(document), policy.beside(schema, document))[1]
    for pointer in places:
        value = _at(document, shown, names_of(pointer))
        if isinstance(value, str) and pointer not in by_place:
            yield from _secrets_of(value, policy)
        else:
            yield value


def _at(value: Json, shown: Json, names: Sequence[str]) -> Json:
    """What stands at a masked place of a document that is ``shown`` so. For keys that were hidden themselves one placeholder
    stands there: each of them, with what is under it.
    """
    for name in names:
        if isinstance(value, dict):
            hidden = {key: item for key, item in value.items() if key not in shown} if name == PLACEHOLDER else {}
            if hidden:
                return [*hidden, *hidden.values(), value.get(name)]
            value, shown = value[name], shown[name]
        else:
            value, shown = value[int(name)], shown[int(name)]
    return value


def _blank(value: Json) -> Json:
    """A document with the same places and without texts: what is masked in it is so for where it stands."""
    if isinstance(value, dict):
        return {key: _blank(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_blank(item) for item in value]
    return "" if isinstance(value, str) else value


def _secrets_of(text: str, policy: RedactionPolicy) -> Iterator[Json]:
    """What is secret in a text that was masked for what it says."""
    inner, shown = json_in(text), redact_text(text, replace(policy, pointers=()))
    within = [] if inner is None else list(hidden_in(inner, None, replace(policy, pointers=())))
    if within:
        yield from within
    elif shown != text:
        yield from _secrets_in(text, shown)
    else:
        yield text


def _secrets_in(text: str, shown: str) -> Iterator[str]:
    """What stands in a text where its shown form has the placeholder."""
    first, *pieces = shown.split(PLACEHOLDER)
    if not text.startswith(first):
        text = as_read(text)
    at = len(first)
    for number, piece in enumerate(pieces):
        end = len(text) if number == len(pieces) - 1 and not piece else text.find(piece, at)
        if end < at:
            yield text[at:]
            return
        if end > at:
            yield text[at:end]
        at = end + len(piece)
