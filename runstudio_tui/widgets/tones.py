"""What the tones look like in a theme, read from its variables: no widget has a stylesheet's rule for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from rich.style import Style
from textual.color import Color


class _Look(NamedTuple):
    colour: str = ""
    """Variable of the theme; empty for whatever the widget has."""
    style: str = ""
    """A text style, or the variable that has it."""


_LOOKS: Final[Mapping[str, _Look]] = {
    "text": _Look("foreground"),
    "dim": _Look("tone-dim", "tone-dim-style"),
    "strong": _Look(style="bold"),
    "accent": _Look("tone-accent"),
    "running": _Look("tone-accent"),
    "waiting": _Look("tone-waiting"),
    "ok": _Look("tone-ok"),
    "failed": _Look("tone-failed"),
    "canceled": _Look("tone-canceled"),
    "attention": _Look("tone-attention", "bold"),
    "rule": _Look("tone-rule"),
    "key": _Look("tone-accent", "bold"),
    "focus": _Look("tone-accent", "bold reverse"),
    "match": _Look("tone-attention", "reverse"),
}
"""Every tone a span may have. ``dim`` and ``strong`` also work without any colour."""


def tone_style(name: str, variables: Mapping[str, str]) -> Style:
    """The style of a tone, or of ``cursor``, which lies under the tones of a row; ``variables`` are those of the theme."""
    if name == "cursor":
        return _style("", variables.get("tone-cursor", ""), variables.get("tone-cursor-style", ""))
    look = _LOOKS[name]
    return _style(variables.get(look.colour, ""), "", variables.get(look.style, look.style))


@lru_cache(maxsize=128)
def _style(colour: str, background: str, text_style: str) -> Style:
    made = Style(
        color=Color.parse(colour).rich_color if colour else None,
        bgcolor=Color.parse(background).rich_color if background else None,
    )
    return made + Style.parse(text_style) if text_style else made
