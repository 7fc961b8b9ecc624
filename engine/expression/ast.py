"""The syntax tree. The parser joins paths and binds parents while it reads; afterwards nothing of it changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Slot:
    """A ``%`` looking for the step whose input it stands for."""

    label: str
    level: int = 1
    """Steps still to go back; 0 when found."""


@dataclass(slots=True, eq=False)
class Filter:
    """``[predicate]`` after a step."""

    predicate: Node
    position: int


@dataclass(slots=True, eq=False)
class IndexStage:
    """``#$name`` after a predicate."""

    name: str


@dataclass(slots=True, eq=False)
class Group:
    """``{key: value, ...}`` after an expression."""

    pairs: list[tuple[Node, Node]]
    position: int


@dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """What every node can carry besides its own fields."""

    position: int
    keep_array: bool = False
    """``[]`` was written after it."""
    predicates: tuple[Filter, ...] = ()
    """Filters of a node that stands alone; a step's are in ``stages``."""
    stages: tuple[Filter | IndexStage, ...] = ()
    group: Group | None = None
    seeking: tuple[Slot, ...] = ()
    """Parents inside it that a step to its left must provide."""
    tuples: bool = False
    """As a step, it carries bindings along."""
    focus: str | None = None
    index: str | None = None
    ancestor: Slot | None = None

    def operands(self) -> Sequence[Node]:
        """The nodes below, without those of filters, stages and grouping."""
        return ()

    def children(self) -> Iterator[Node]:
        """All the nodes below."""
        yield from self.operands()
        for stage in (*self.predicates, *self.stages):
            if isinstance(stage, Filter):
                yield stage.predicate
        if self.group is not None:
            for pair in self.group.pairs:
                yield from pair


@dataclass(slots=True, eq=False)
class Literal(Node):
    """A text, a number, true, false or null."""

    value: Any


@dataclass(slots=True, eq=False)
class Name(Node):
    """A field of the current value. Always a step of a Path."""

    value: str
    plain: bool = True
    """Not quoted and not after a dot: before a bracket, the name of a function."""


@dataclass(slots=True, eq=False)
class Variable(Node):
    """``$name``; ``$`` is the current value, ``$$`` the context."""

    name: str


@dataclass(slots=True, eq=False)
class Wildcard(Node):
    """``*``."""


@dataclass(slots=True, eq=False)
class Descendants(Node):
    """``**``."""


@dataclass(slots=True, eq=False)
class Parent(Node):
    """``%``."""

    slot: Slot


@dataclass(slots=True, eq=False)
class Opaque(Node):
    """A regex or transform: a function nobody can call."""

    kind: str
    parts: Sequence[Node] = ()

    def operands(self) -> Sequence[Node]:
        return self.parts


@dataclass(slots=True, eq=False)
class Lambda(Node):
    """A function definition; always refused, so its body is not kept."""


@dataclass(slots=True, eq=False)
class Negation(Node):
    """``-operand``."""

    operand: Node

    def operands(self) -> Sequence[Node]:
        return (self.operand,)


@dataclass(slots=True, eq=False)
class Range(Node):
    """``first..last``, an item of an array."""

    first: Node
    last: Node

    def operands(self) -> Sequence[Node]:
        return (self.first, self.last)


@dataclass(slots=True, eq=False)
class Array(Node):
    """``[item, ...]``."""

    items: list[Node]
    constructed: bool = False
    """First or last step of a path: kept as it is."""

    def operands(self) -> Sequence[Node]:
        return self.items


@dataclass(slots=True, eq=False)
class Object(Node):
    """``{key: value, ...}``."""

    pairs: list[tuple[Node, Node]]

    def operands(self) -> Sequence[Node]:
        return [node for pair in self.pairs for node in pair]


@dataclass(slots=True, eq=False)
class Block(Node):
    """``(first; second; ...)``."""

    items: list[Node]
    binds: bool = False
    """A variable is bound somewhere inside, so it needs a frame of its own."""
    constructed: bool = False

    def operands(self) -> Sequence[Node]:
        return self.items


@dataclass(slots=True, eq=False)
class Placeholder(Node):
    """``?`` as an argument: left open by a partial application."""


@dataclass(slots=True, eq=False)
class Call(Node):
    """``callee(argument, ...)``."""

    callee: Node
    arguments: list[Node]

    @property
    def partial(self) -> bool:
        """Whether an argument is left open."""
        return any(isinstance(argument, Placeholder) for argument in self.arguments)

    def operands(self) -> Sequence[Node]:
        return (*self.arguments, self.callee)


@dataclass(slots=True, eq=False)
class Condition(Node):
    """``test ? then : otherwise``."""

    test: Node
    then: Node
    otherwise: Node | None

    def operands(self) -> Sequence[Node]:
        return (self.test, self.then) if self.otherwise is None else (self.test, self.then, self.otherwise)


@dataclass(slots=True, eq=False)
class Default(Node):
    """``value ?: otherwise``."""

    value: Node
    otherwise: Node

    def operands(self) -> Sequence[Node]:
        return (self.value, self.otherwise)


@dataclass(slots=True, eq=False)
class Bind(Node):
    """``$name := value``."""

    name: str
    value: Node

    def operands(self) -> Sequence[Node]:
        return (self.value,)


@dataclass(slots=True, eq=False)
class Link:
    """One operator of a chain, with its right operand."""

    operator: str
    operand: Node
    position: int


@dataclass(slots=True, eq=False)
class Chain(Node):
    """``first op operand op operand ...``, from the left. A list, so that a long text costs no depth."""

    first: Node
    links: list[Link]

    def operands(self) -> Sequence[Node]:
        return [self.first, *(link.operand for link in self.links)]


@dataclass(slots=True, eq=False)
class SortTerm:
    """One criterion of an order-by."""

    expression: Node
    descending: bool


@dataclass(slots=True, eq=False)
class Sort(Node):
    """``^(term, ...)``, as a step."""

    terms: list[SortTerm]

    def operands(self) -> Sequence[Node]:
        return [term.expression for term in self.terms]


@dataclass(slots=True, eq=False)
class Path(Node):
    """``step.step...``."""

    steps: list[Node]
    keep_singleton: bool = False
    """One of its steps was written with ``[]``."""
    origin: str = "name"
    """What the last postfix made it: name, focus, index, group or sort. Decides what ``[]`` marks."""

    def operands(self) -> Sequence[Node]:
        return self.steps

    @property
    def bare_name(self) -> Name | None:
        """Its only step, when that is a name with nothing hung on it."""
        step = self.steps[0]
        if len(self.steps) > 1 or self.group is not None or not isinstance(step, Name):
            return None
        return None if step.stages or step.focus or step.index else step
