"""A line of text in tones: what every widget of the studio draws."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from runstudio_tui.widgets.cells import cut, width


class Span(NamedTuple):
    """Some text in one tone."""

    text: str
    tone: str = "text"
    link: str = ""
    """What a click on it means to the screen; empty for nothing."""


Line = tuple[Span, ...]


def line(*parts: str | Span) -> Line:
    """A line of spans; plain text is in the tone ``text``."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts if part)


def line_width(spans: Iterable[Span]) -> int:
    """Cells a line takes."""
    return sum(width(span.text) for span in spans)


def plain(spans: Iterable[Span]) -> str:
    """The text of a line without its tones."""
    return "".join(span.text for span in spans)


def cut_line(spans: Line, cells: int) -> Line:
    """A line in at most ``cells`` cells."""
    kept: list[Span] = []
    left = cells
    for span in spans:
        taken = width(span.text)
        if taken <= left:
            kept.append(span)
            left -= taken
            continue
        if left > 0:
            kept.append(span._replace(text=cut(span.text, left)))
        break
    return tuple(kept)


def shift_line(spans: Line, cells: int) -> Line:
    """A line without its first ``cells`` cells; a wide character that is cut through leaves a blank."""
    if cells <= 0:
        return spans
    kept: list[Span] = []
    for span in spans:
        taken = width(span.text)
        if cells >= taken:
            cells -= taken
            continue
        kept.append(span if not cells else span._replace(text=_without(span.text, cells)))
        cells = 0
    return tuple(kept)


def _without(text: str, cells: int) -> str:
    if text.isascii():
        return text[cells:]
    for at, char in enumerate(text):
        if cells <= 0:
            return " " * -cells + text[at:]
        cells -= width(char)
    return ""


def fill(spans: Line, cells: int) -> Line:
    """A line of exactly ``cells`` cells."""
    cropped = cut_line(spans, cells)
    missing = cells - line_width(cropped)
    return (*cropped, Span(" " * missing)) if missing > 0 else cropped


def justify(left: Line, right: Line, cells: int) -> Line:
    """``left`` and ``right`` at the two ends of ``cells`` cells; where both do not fit, ``left`` is cut."""
    room = max(cells - line_width(right), 0)
    return (*fill(left, room), *cut_line(right, cells))


def changed_cells(old: Line, new: Line, cells: int) -> tuple[int, int]:
    """The first cell, and the one after the last, in which two lines of ``cells`` cells look different. Lines with characters
    that are not one cell wide count as different throughout."""
    before, after = _cells(old, cells), _cells(new, cells)
    if before is None or after is None:
        return 0, cells
    different = [place for place, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    return (different[0], different[-1] + 1) if different else (0, 0)


def _cells(spans: Line, cells: int) -> list[tuple[str, str]] | None:
    made = [(char, span.tone) for span in fill(spans, cells) for char in span.text]
    return made if len(made) == cells else None


def highlight(spans: Line, wanted: str) -> Line:
    """The line with every occurrence of ``wanted``, without case, in the tone ``match``."""
    needle = wanted.casefold()
    if not needle or needle not in plain(spans).casefold():
        return spans
    parts: list[Span] = []
    for span in spans:
        rest, folded = span.text, span.text.casefold()
        if len(folded) != len(rest):
            parts.append(span)  # characters that fold to several: positions would not agree
            continue
        place = folded.find(needle)
        while place >= 0:
            parts.append(span._replace(text=rest[:place]))
            parts.append(span._replace(text=rest[place : place + len(needle)], tone="match"))
            rest, folded = rest[place + len(needle) :], folded[place + len(needle) :]
            place = folded.find(needle)
        parts.append(span._replace(text=rest))
    return tuple(part for part in parts if part.text)
