"""Colours. Three themes: the terminal's own palette (the default, and the cheapest over a slow line), dark, and light."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

from runstudio_tui.text import safe

THEMES: Final = (
    Theme(
        name="terminal",
        primary="ansi_cyan",
        secondary="ansi_blue",
        warning="ansi_yellow",
        error="ansi_red",
        success="ansi_green",
        accent="ansi_cyan",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        ansi=True,
        variables={
            "tone-rule": "ansi_bright_black",
            "tone-dim": "ansi_default",
            "tone-dim-style": "dim",
            "tone-accent": "ansi_cyan",
            "tone-waiting": "ansi_blue",
            "tone-ok": "ansi_green",
            "tone-failed": "ansi_red",
            "tone-canceled": "ansi_bright_black",
            "tone-attention": "ansi_yellow",
            "tone-cursor": "ansi_default",
            "tone-cursor-style": "bold",
            "tone-field": "ansi_default",
            "ansi-background": "ansi_default",
            "ansi-foreground": "ansi_default",
            "border": "ansi_cyan",
            "border-blurred": "ansi_default",
            "block-cursor-foreground": "ansi_black",
            "block-cursor-background": "ansi_cyan",
            "input-cursor-foreground": "ansi_black",
            "input-cursor-background": "ansi_white",
            "input-selection-background": "ansi_cyan",
            "input-selection-foreground": "ansi_black",
        },
    ),
    Theme(
        name="dark",
        primary="#56b6c2",
        secondary="#61afef",
        warning="#e5c07b",
        error="#e06c75",
        success="#98c379",
        accent="#56b6c2",
        foreground="#d7dae0",
        background="#16191d",
        surface="#16191d",
        panel="#1f242b",
        variables={
            "tone-rule": "#39424d",
            "tone-dim": "#7d8794",
            "tone-dim-style": "none",
            "tone-accent": "#56b6c2",
            "tone-waiting": "#61afef",
            "tone-ok": "#98c379",
            "tone-failed": "#e06c75",
            "tone-canceled": "#8b929c",
            "tone-attention": "#e5c07b",
            "tone-cursor": "#262c34",
            "tone-cursor-style": "none",
            "tone-field": "#1f242b",
        },
    ),
    Theme(
        name="light",
        primary="#0b7285",
        secondary="#1864ab",
        warning="#8f5b00",
        error="#b3261e",
        success="#2b7a3d",
        accent="#0b7285",
        foreground="#1f2328",
        background="#fbfbfa",
        surface="#fbfbfa",
        panel="#eeeeec",
        dark=False,
        variables={
            "tone-rule": "#cfd4d9",
            "tone-dim": "#6a7178",
            "tone-dim-style": "none",
            "tone-accent": "#0b7285",
            "tone-waiting": "#1864ab",
            "tone-ok": "#2b7a3d",
            "tone-failed": "#b3261e",
            "tone-canceled": "#6a7178",
            "tone-attention": "#8f5b00",
            "tone-cursor": "#e6eaed",
            "tone-cursor-style": "none",
            "tone-field": "#eeeeec",
        },
    ),
)
DEFAULT_TONES: Final = {name: value for name, value in THEMES[0].variables.items() if name.startswith("tone-")}

_SIGNS: Final = "●◔✔✖⊘▲◇▌·↻▾▸→←↑↓⚿▪–…│─┬┴├┤┼┌┐└┘▶▇░╌═▊▎▁▔○‖•"
_STAND_INS: Final = '*~+x-!o>.%v>><^v#=-~|-+++++++++>#.-=||_-o"*'
_ASCII_TABLE: Final = str.maketrans(_SIGNS, _STAND_INS)


def to_ascii(text: str) -> str:
    """``text`` in ASCII, cell for cell: our signs have their stand-ins, everything else becomes ``?``."""
    if text.isascii():
        return text
    text = text.translate(_ASCII_TABLE)
    return text if text.isascii() else "".join(char if char.isascii() else "?" * cell_len(char) for char in text)


class LastGuard(LineFilter):
    """The last thing every line passes on its way to the terminal: no control character gets through, whatever a widget
    was given; and in ASCII mode nothing but ASCII."""

    def __init__(self, ascii_only: bool) -> None:
        super().__init__()
        self._ascii_only = ascii_only

    def apply(self, segments: Sequence[Segment], background: Color) -> list[Segment]:
        """See LineFilter."""
        return [self._guard(segment) for segment in segments]

    def _guard(self, segment: Segment) -> Segment:
        text = segment.text
        if not text.isprintable():
            text = safe(text)
        if self._ascii_only:
            text = to_ascii(text)
        return segment if text is segment.text else Segment(text, segment.style, segment.control)
