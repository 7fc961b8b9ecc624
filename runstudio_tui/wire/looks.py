"""How a cell looks, and the shortest way from one look to another."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple


class Look(NamedTuple):
    """What SGR parameters set; empty colours are the terminal's own."""

    attributes: frozenset[str] = frozenset()
    foreground: str = ""
    background: str = ""

    @property
    def parameters(self) -> list[str]:
        """The SGR parameters that make this look of the plain one."""
        return [*sorted(self.attributes), *(colour for colour in (self.foreground, self.background) if colour)]


PLAIN: Final = Look()
_ATTRIBUTES: Final = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "8": "28", "9": "29"}
"""Each attribute with the parameter that takes it away; one of them takes two away."""
_ON_BLANKS: Final = frozenset({"4", "7", "9"})
"""Attributes that a blank shows; without them its foreground is not seen."""


@lru_cache(maxsize=1024)
def look_of(parameters: str) -> Look:
    """The look that the parameters of one SGR sequence make of the plain one. Raises ``ValueError`` for unknown ones."""
    attributes: set[str] = set()
    foreground = background = ""
    left = parameters.split(";") if parameters else ["0"]
    while left:
        first = left.pop(0)
        if first in ("38", "48"):
            count = {"2": 4, "5": 2}.get(left[0] if left else "", 0)
            colour = ";".join([first, *left[:count]])
            if not count or len(left) < count:
                raise ValueError(f"not a colour: {parameters}")
            del left[:count]
        else:
            colour = first
        if first == "0":
            attributes, foreground, background = set(), "", ""
        elif first in _ATTRIBUTES:
            attributes.add(first)
        elif len(first) == 2 and first[0] in "39":
            foreground = "" if first == "39" else colour
        elif (len(first) == 2 and first[0] == "4") or (len(first) == 3 and first.startswith("10")):
            background = "" if first == "49" else colour
        else:
            raise ValueError(f"not a look: {parameters}")
    return Look(frozenset(attributes), foreground, background)


@lru_cache(maxsize=1024)
def of_blank(look: Look) -> Look:
    """What can be seen of a look on a blank."""
    seen = look.attributes & _ON_BLANKS
    return Look(seen, look.foreground if seen else "", look.background)


@lru_cache(maxsize=4096)
def change(before: Look, after: Look) -> str:
    """The shortest sequence that turns one look into the other; empty when they are the same."""
    if before == after:
        return ""
    away = {_ATTRIBUTES[one] for one in before.attributes - after.attributes}
    kept = {one for one in before.attributes if _ATTRIBUTES[one] not in away}
    steps = [*sorted(away), *sorted(after.attributes - kept)]
    if before.foreground != after.foreground:
        steps.append(after.foreground or "39")
    if before.background != after.background:
        steps.append(after.background or "49")
    anew = ["0", *after.parameters] if after.parameters else [""]
    return min((f"\x1b[{';'.join(one)}m" for one in (steps, anew)), key=len)
