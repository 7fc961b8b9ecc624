"""A JSON text to edit: coloured where it is small enough, with notes beside its lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip
from textual.widgets import TextArea
from textual.widgets.text_area import TextAreaTheme

from runstudio_tui.domain.edit_notes import Note
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import width
from runstudio_tui.widgets.tones import tone_style

HIGHLIGHT_LIMIT: Final = 200_000
"""Characters up to which the text is coloured: beyond, every key press would colour all of it again."""

_MARGIN: Final = 2
"""Cells of a note's sign and of the blank behind it."""


def _can_highlight() -> bool:
    """Whether the installed grammar is one that works: 0.26 crashes the process with the second editor."""
    try:
        import tree_sitter  # noqa: F401, PLC0415 - 30 ms that only an editor needs
        import tree_sitter_json  # noqa: F401, PLC0415 - likewise
    except ImportError:
        return False
    from importlib.metadata import version  # noqa: PLC0415 - likewise

    return tuple(int(part) for part in version("tree-sitter").split(".")[:2]) < (0, 26)


class JsonEditor(TextArea):
    """TextArea with our looks: no border, no blinking, tab leaves it."""

    DEFAULT_CSS = """
    JsonEditor, JsonEditor:focus { border: none; padding: 0; background: $tone-field; }
    JsonEditor .text-area--gutter { color: $tone-dim; text-style: $tone-dim-style; background: $tone-field; }
    JsonEditor .text-area--cursor-gutter { color: $foreground; background: $tone-field; text-style: bold; }
    JsonEditor .text-area--cursor-line { background: $tone-field; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        self._notes: Mapping[int, Note] = {}
        self._note_margin = 0
        super().__init__("", id=id, soft_wrap=False, show_line_numbers=True, tab_behavior="focus")

    def on_mount(self) -> None:
        """Colours, and no blinking: it would write to the terminal for ever."""
        self.cursor_blink = False
        self.indent_width = 2
        self._colour()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._colour())

    def put(self, text: str) -> None:
        """Replace the whole text; the cursor goes to its beginning."""
        self.language = "json" if len(text) <= HIGHLIGHT_LIMIT and _can_highlight() else None
        self.load_text(text)

    def annotate(self, notes: Mapping[int, Note]) -> None:
        """Show notes beside lines, which count from 1: the sign in the margin, the text at the right end where it has room."""
        if notes != self._notes or not self._note_margin:
            self._notes = notes
            self._note_margin = _MARGIN
            self.refresh()

    def get_line(self, line_index: int) -> Text:
        """See TextArea: the text is edited as it is, and drawn so that it can drive nothing; cell for cell, tabs stay tabs."""
        parts = self.document.get_line(line_index).split("\t")
        return Text("\t".join(map(safe, parts)), end="", no_wrap=True)

    @property
    def gutter_width(self) -> int:
        """See TextArea: with notes, their signs stand before the numbers."""
        return super().gutter_width + self._note_margin

    def render_line(self, y: int) -> Strip:
        """See TextArea."""
        strip = super().render_line(y)
        row = self.scroll_offset.y + y
        note = self._notes.get(row + 1)
        if note is None or row >= self.document.line_count:
            return strip
        style = self._tone(note.tone) + Style(bgcolor=self.rich_style.bgcolor)
        mark = Strip([Segment(note.mark, style)]) if note.mark else Strip([])
        strip = Strip.join([mark, strip.crop(mark.cell_length, strip.cell_length)])
        cells = self.scrollable_content_region.width
        used = (
            self.gutter_width + width(self.document.get_line(row).expandtabs(self.indent_width)) - self.scroll_offset.x
        )
        begin = cells - width(note.text) - 1
        if not note.text or begin <= used + 1:
            return strip
        return Strip.join([strip.crop(0, begin), Strip([Segment(f"{note.text} ", style)], cells - begin)])

    def _tone(self, name: str) -> Style:
        return tone_style(name, self.app.theme_variables)

    def _colour(self) -> None:
        tone = self._tone
        styles = {
            "json.label": tone("accent"),
            "string": Style(),
            "number": tone("waiting"),
            "boolean": tone("waiting"),
            "json.null": tone("waiting"),
            "json.error": tone("failed"),
        }
        self.register_theme(TextAreaTheme("studio", syntax_styles=styles))
        self.theme = "studio"
