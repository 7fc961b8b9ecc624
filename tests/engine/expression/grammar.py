"""Random expressions of the whole language, from any source of choices: hypothesis, or a seeded generator."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

NAMES = ("a", "b", "c", "d", "items", "id", "k")
LITERALS = ("0", "1", "2", "-1", "2.5", "3", "1e3", '"x"', '"y"', '""', '"10"', "'b'", "true", "false", "null")
OPERATORS = ("+", "-", "*", "%", "=", "!=", "<", "<=", ">", ">=", "&", "&", "and", "or", "in")
SCALARS: tuple[Any, ...] = (0, 1, 2, 3, -1, 2.5, 0.5, "", "x", "y", "zz", "10", True, False, None, 7)
DEEPEST = 4


@dataclass(slots=True)
class Choices:
    """A source of choices: ``pick(n)`` gives 0 <= i < n."""

    pick: Callable[[int], int]
    bound: list[str] = field(default_factory=list)
    """Variables the expression has bound so far."""

    def one_of(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.pick(len(options))]

    def chance(self, percent: int) -> bool:
        """True this often."""
        return self.pick(100) < percent


def from_seed(seed: int) -> Choices:
    """The choices of one seed, the same on every machine."""
    return Choices(random.Random(seed).randrange)


def value(c: Choices, depth: int = 0) -> Any:
    """A JSON value."""
    kind = c.pick(10) if depth < DEEPEST else 0
    if kind < 5:
        return c.one_of(SCALARS)
    if kind < 7:
        return [value(c, depth + 1) for _ in range(c.one_of((0, 1, 1, 2, 3)))]
    return {c.one_of(NAMES): value(c, depth + 1) for _ in range(c.one_of((0, 1, 2, 3)))}


def context(c: Choices) -> dict[str, Any]:
    """A context: some fields, rows under ``items``, and often a payload with rows."""
    result = {name: value(c) for name in NAMES if c.chance(80)}
    result["items"] = _rows(c)
    if c.chance(50):
        result["payload"] = {"items": _rows(c), "a": value(c), "b": value(c)}
    return result


def _rows(c: Choices) -> list[Any]:
    return [{c.one_of(NAMES): value(c, 2) for _ in range(3)} for _ in range(c.one_of((0, 1, 2, 4)))]


def expression(c: Choices, depth: int = 0) -> str:
    """An expression. Not every one compiles: what the language refuses must be refused alike."""
    if depth > 3:
        return c.one_of((c.one_of(LITERALS), c.one_of(NAMES)))
    kind = c.pick(100)
    inner = depth + 1
    if kind < 35:
        return path(c, inner)
    if kind < 43:
        return c.one_of(LITERALS)
    if kind < 60:
        return f"{expression(c, inner)} {c.one_of(OPERATORS)} {expression(c, inner)}"
    if kind < 65:
        return f"({expression(c, inner)}){c.one_of(('', '[0]', f'.{c.one_of(NAMES)}', '[]'))}"
    if kind < 70:
        return f"[{_list(c, inner, (0, 1, 2, 3))}]"
    if kind < 72:
        first, last = c.one_of(("1", "0", "a", "-1")), c.one_of(("3", "b", "2", "0"))
        return f"[{first}..{last}]{c.one_of(('', '[0]', '.($)', '.[$]'))}"
    if kind < 77:
        members = (f'"{name}": {expression(c, inner)}' for name in "mn"[: c.pick(3)])
        return "{" + ", ".join(members) + "}"
    if kind < 82:
        otherwise = f" : {expression(c, inner)}" if c.chance(60) else ""
        return f"{expression(c, inner)} ? {expression(c, inner)}{otherwise}"
    if kind < 84:
        return f"{expression(c, inner)} ?: {expression(c, inner)}"
    if kind < 90:
        name = c.one_of(("len", "toString", "coalesce", "append", "append", "nowIso"))
        return f"${name}({_list(c, inner, (1, 2, 2))})"
    if kind < 93:
        name, bound = c.one_of("vw"), expression(c, inner)
        c.bound.append(name)
        return f"(${name} := {bound}; {expression(c, inner)})"
    if kind < 95:
        return f"(({expression(c, inner)}) ~> ${c.one_of(('len', 'toString', 'append(1)', 'coalesce(2)'))})"
    if kind < 97:
        return f"-{path(c, inner)}"
    return f"${c.one_of((*c.bound, 'v'))}"


def _list(c: Choices, depth: int, sizes: Sequence[int]) -> str:
    return ", ".join(expression(c, depth) for _ in range(c.one_of(sizes)))


def path(c: Choices, depth: int) -> str:
    """A path, with any of its ornaments."""
    text = c.one_of(("items", "payload.items", "a", "b", "$", "$$")) if c.chance(50) else _step(c, depth)
    for _ in range(c.one_of((0, 1, 1, 2, 3))):
        text += f".{_step(c, depth)}"
    if c.chance(10):
        terms = [c.one_of(("", "<", ">")) + c.one_of((c.one_of(NAMES), "$")) for _ in range(1 + c.chance(20))]
        text += f"^({','.join(terms)})"
    if c.chance(6):
        key = c.one_of((f"$toString({c.one_of(NAMES)})", '"m"', c.one_of(NAMES)))
        text += f"{{{key}: {expression(c, depth)}}}"
    return text


def _step(c: Choices, depth: int) -> str:
    kind = c.pick(100)
    if kind < 65:
        text = c.one_of((*NAMES, "payload", "`a`"))
    elif kind < 69:
        text = "*"
    elif kind < 72:
        text = "**"
    elif kind < 76:
        text = "%"
    elif kind < 81:
        text = "$"
    elif kind < 86:
        text = f"({expression(c, depth)})"
    elif kind < 90:
        text = f"[{expression(c, depth)},{c.one_of(NAMES)}]"
    elif kind < 94:
        text = f'{{"k": {expression(c, depth)}}}'
    else:
        text = f"${c.one_of(('len', 'toString', 'coalesce'))}({c.one_of(('$', c.one_of(NAMES)))})"
    while c.chance(25):
        text += _filter(c, depth)
    for mark, names in (("#", "ij"), ("@", "xy")):
        if c.chance(5):
            name = c.one_of(names)
            c.bound.append(name)
            text += f"{mark}${name}"
    return text


def _filter(c: Choices, depth: int) -> str:
    kind = c.pick(7)
    if kind < 3:
        return c.one_of(("[0]", "[-1]", "[1]", "[[0,1]]"))
    if kind == 3:
        return "[]"
    if kind == 4:
        return f"[{expression(c, depth)}]"
    if kind == 5:
        return f"[%.{c.one_of(NAMES)} = {c.one_of(LITERALS)}]"
    return f"[{c.one_of(NAMES)} {c.one_of(('=', '!=', '>', '<'))} {c.one_of(LITERALS)}]"
