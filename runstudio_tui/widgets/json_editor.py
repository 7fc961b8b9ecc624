"""A JSON text to edit: coloured where it is small enough, never beyond what the server takes."""

from __future__ import annotations

from typing import Final

from rich.style import Style
from textual.color import Color
from textual.widgets import TextArea
from textual.widgets.text_area import TextAreaTheme

HIGHLIGHT_LIMIT: Final = 200_000
"""Characters up to which the text is coloured: beyond, every key press would colour all of it again."""


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

    def _colour(self) -> None:
        variables = self.app.theme_variables

        def tone(name: str) -> Style:
            return Style(color=Color.parse(variables[f"tone-{name}"]).rich_color)

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
