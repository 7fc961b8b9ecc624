"""The conformance cases: found in a directory, their macros expanded."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_DIRECTORY = Path(__file__).parent / "cases"


@dataclass(frozen=True, slots=True)
class Case:
    """One case. Fields of the kind's own are in ``data``."""

    id: str
    title: str
    area: str
    kind: str
    file: str
    data: dict[str, Any]


def case_directory() -> Path:
    """``CONFORMANCE_DIR``, or the copy kept beside the tests."""
    return Path(os.environ.get("CONFORMANCE_DIR") or DEFAULT_DIRECTORY)


def load_cases(*kinds: str) -> list[Case]:
    """Every case of these kinds in every ``*.json`` of the directory, in order. Case ids are unique, or it is an error."""
    cases: list[Case] = []
    known: set[str] = set()
    for path in sorted(case_directory().glob("*.json")):
        for raw in json.loads(path.read_text(encoding="utf-8")):
            if raw.get("kind") not in kinds:
                continue
            if raw["id"] in known:
                raise ValueError(f"{path.name}: case {raw['id']} is there twice")
            known.add(raw["id"])
            data = expand(raw)
            cases.append(Case(raw["id"], raw.get("title", ""), raw.get("area", ""), raw["kind"], path.name, data))
    return cases


def expand(value: Any) -> Any:
    """The value with its macros ``$repeatStep``, ``$repeatString`` and ``$range`` written out."""
    if isinstance(value, list):
        items: list[Any] = []
        for item in value:
            if isinstance(item, dict) and "$repeatStep" in item:
                repeat = item["$repeatStep"]
                items += [expand(_numbered(repeat["step"], index)) for index in range(repeat["count"])]
            else:
                items.append(expand(item))
        return items
    if isinstance(value, dict):
        if "$repeatString" in value:
            repeat = value["$repeatString"]
            text: str = repeat["text"]
            return text * int(repeat["count"])
        if "$range" in value:
            first, last = value["$range"]
            return list(range(first, last + 1))
        return {name: expand(item) for name, item in value.items()}
    return value


def _numbered(value: Any, index: int) -> Any:
    """``{i}`` and ``{n}`` in every text, 0-based and 1-based."""
    if isinstance(value, str):
        return value.replace("{i}", str(index)).replace("{n}", str(index + 1))
    if isinstance(value, list):
        return [_numbered(item, index) for item in value]
    if isinstance(value, dict):
        return {_numbered(name, index): _numbered(item, index) for name, item in value.items()}
    return value
