"""Values of an evaluation that are no plain JSON, and the frames in which names are looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.expression.errors import STEPS, out_of_steps

Value = Any
"""A JSON value, MISSING, a FunctionValue, or a Root."""


class _Missing:
    """The type of MISSING."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""The value of a field that is not there; not null."""


class Sequence(list[Value]):
    """Values found one by one, as opposed to an array somebody wrote: one of them alone stands for itself, none is MISSING."""

    __slots__ = ("keep_singleton", "tuple_stream")

    def __init__(self, items: Any = (), *, tuple_stream: bool = False) -> None:
        super().__init__(items)
        self.keep_singleton = False
        """One value stays an array (``[]`` was written)."""
        self.tuple_stream = tuple_stream
        """The items are dicts of bindings, with the value itself under ``@``."""


class Constructed(list[Value]):
    """An array constructor at the end of a path: it is kept as it is, not flattened into the sequence around it."""

    __slots__ = ()


class FunctionValue:
    """A function, regex or transform met as a value. It can be passed around, but never called and never be a result."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: Final = name


class Root:
    """A context that is a Mapping but not a dict, so that looking at a value's type stays cheap everywhere else."""

    __slots__ = ("mapping",)

    def __init__(self, mapping: Mapping[str, Value]) -> None:
        self.mapping: Final = mapping


class Run:
    """One evaluation: its budget, its clock, and its rule for integers that a double cannot hold."""

    __slots__ = ("left", "now_iso", "rounds")

    def __init__(self, now_iso: Callable[[], str], *, rounds: bool = False) -> None:
        self.left = STEPS
        self.now_iso: Final = now_iso
        self.rounds: Final = rounds
        """Arithmetic rounds them, instead of refusing them."""

    def spend(self, steps: int, position: int) -> None:
        """Use up ``steps``. Raises ``Fault`` when there are not so many left."""
        self.left -= steps
        if self.left < 0:
            raise out_of_steps(position)


class Frame:
    """Variables of one block, or of one tuple, and where to look further."""

    __slots__ = ("names", "parent", "run")

    def __init__(self, names: dict[str, Value], parent: Frame | None, run: Run) -> None:
        self.names: Final = names
        self.parent: Final = parent
        self.run: Final = run

    def lookup(self, name: str, default: Value) -> Value:
        """The value bound nearest to here."""
        frame: Frame | None = self
        while frame is not None:
            value = frame.names.get(name, frame)
            if value is not frame:
                return value
            frame = frame.parent
        return default


Code = Callable[[Value, Frame], Value]
"""A compiled node: the current value and the frame to its value."""
CURRENT: Final = "@"
"""The key of the value itself in a tuple of bindings."""
SAFE_INTEGER: Final = 2**53
"""Up to here a double holds every integer, and arithmetic on integers is exact."""


def normal(number: float) -> int | float:
    """A whole double as an integer, as JSON prints it."""
    if number.is_integer() and -SAFE_INTEGER <= number <= SAFE_INTEGER:
        return int(number)
    return number


def settled(value: Value, keep_array: bool = False) -> Value:
    """What a sequence stands for once it is complete: nothing, its only value, or itself."""
    if isinstance(value, Sequence) and not value.tuple_stream:
        if keep_array:
            value.keep_singleton = True
        if not value:
            return MISSING
        if len(value) == 1 and not value.keep_singleton:
            return value[0]
    return value
