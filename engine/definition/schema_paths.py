"""Paths in a JSON schema: fields by path, what is required, which types a value may have.

Only references inside the document are followed; what cannot be told is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.values.json_pointer import names_of

_MOST_REFERENCES: Final = 32
_DEEPEST: Final = 12
_TYPES: Final = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    type(None): "null",
    dict: "object",
    list: "array",
}


@dataclass(frozen=True, slots=True)
class SchemaNode:
    """A schema within its document, which its references point into."""

    schema: Any
    document: Any

    @classmethod
    def of(cls, document: Any) -> SchemaNode:
        """The document itself."""
        return cls(document, document).resolved()

    def resolved(self) -> SchemaNode:
        """Where its references lead; an empty schema when nowhere."""
        schema = self.schema
        for _ in range(_MOST_REFERENCES):
            if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
                return SchemaNode(schema, self.document)
            schema = _at(self.document, schema["$ref"])
        return SchemaNode({}, self.document)

    def _below(self, schema: Any) -> SchemaNode:
        return SchemaNode(schema, self.document).resolved()

    def _part(self, keyword: str, kind: type) -> Any:
        part = self.schema.get(keyword) if isinstance(self.schema, Mapping) else None
        return part if isinstance(part, kind) else kind()

    def alternatives(self) -> list[SchemaNode]:
        """The members of its ``anyOf``, ``oneOf`` and ``allOf``, and itself where it has none or has fields of its own."""
        members = [member for keyword in ("anyOf", "oneOf", "allOf") for member in self._part(keyword, list)]
        own = [self] if self.properties or not members else []
        return own + [self._below(member) for member in members]

    @property
    def properties(self) -> Mapping[str, Any]:
        """Declared fields."""
        declared: Mapping[str, Any] = self._part("properties", dict)
        return declared

    @property
    def required(self) -> list[str]:
        """Fields that must be there."""
        return [name for name in self._part("required", list) if isinstance(name, str)]

    def field(self, name: str) -> SchemaNode | None:
        """The schema of a field, None when the schema does not tell."""
        for node in self.alternatives():
            if name in node.properties:
                return node._below(node.properties[name])
        for node in self.alternatives():
            others = node._part("additionalProperties", dict)
            if others:
                return node._below(others)
        return None

    @property
    def items(self) -> SchemaNode | None:
        """The schema of the items of an array, None when the schema does not tell."""
        items = self._part("items", dict)
        return self._below(items) if items else None

    def at(self, path: Sequence[str]) -> SchemaNode | None:
        """The schema at a path of names, None when the schema does not tell."""
        node: SchemaNode | None = self
        for name in path:
            node = node.field(name) if node is not None else None
        return node

    def refuses(self, path: Sequence[str]) -> bool:
        """Whether a value cannot, or is not meant to, have something at this path."""
        node = self
        for name in path:
            below = node.field(name)
            if below is None:
                return node._is_closed() or all(alternative._is_closed() for alternative in node.alternatives())
            node = below
        return False

    def _is_closed(self) -> bool:
        if not isinstance(self.schema, Mapping):
            return False
        types = self.types()
        if types is not None and "object" not in types:
            return True
        # Others may be allowed in so many words; whoever lists fields has not thought of this one all the same.
        return self.schema.get("additionalProperties") is False or (
            bool(self.properties) and not self._part("patternProperties", dict)
        )

    def types(self) -> frozenset[str] | None:
        """JSON types a value may have; None when the schema does not tell."""
        return _types(self, 0)

    def required_paths(self) -> Iterator[tuple[str, ...]]:
        """Paths of the fields that must be there, as deep as the parents themselves are required."""
        return _required(self, (), 0)


def _types(node: SchemaNode, depth: int) -> frozenset[str] | None:
    schema = node.schema
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    declared = schema.get("type")
    if isinstance(declared, str):
        return frozenset((declared,))
    if isinstance(declared, list):
        return frozenset(name for name in declared if isinstance(name, str))
    if "const" in schema:
        return frozenset((type_of(schema["const"]),))
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return frozenset(type_of(value) for value in schema["enum"])
    known = [_types(member, depth + 1) for member in node.alternatives() if member is not node]
    if not known:
        return frozenset(("object",)) if node.properties else None
    if isinstance(schema.get("allOf"), list):
        return next((types for types in known if types is not None), None)
    if any(types is None for types in known):
        return None
    return frozenset(name for types in known if types is not None for name in types)


def _required(node: SchemaNode, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, ...]]:
    if depth > _DEEPEST:
        return
    for name in node.required:
        below = node.field(name)
        deeper = list(_required(below, (*path, name), depth + 1)) if below is not None else []
        yield from deeper or [(*path, name)]


def type_of(value: Any) -> str:
    """The JSON type of a value."""
    return next(name for kind, name in _TYPES.items() if isinstance(value, kind))


def fits(source: frozenset[str], target: frozenset[str]) -> bool:
    """Whether a value of one of the first types can be one of the second."""
    numbers = {"integer", "number"}
    return bool(source & target) or bool(source & numbers and target & numbers)


def _at(document: Any, reference: str) -> Any:
    if not reference.startswith("#"):
        return {}
    current = document
    for name in names_of(reference):
        if isinstance(current, Mapping) and name in current:
            current = current[name]
        elif isinstance(current, list) and name.isdigit() and int(name) < len(current):
            current = current[int(name)]
        else:
            return {}
    return current
