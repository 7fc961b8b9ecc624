"""Where Textual's frames become ours."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from textual._compositor import CompositorUpdate, LayoutUpdate

from runstudio_tui.wire.frames import Frames


def in_frames(drawn: RenderableType | None, frames: Frames) -> RenderableType | None:
    """What Textual is about to send, as ``frames`` sends it."""
    return _Update(drawn, frames) if isinstance(drawn, CompositorUpdate) else drawn


class _Update(CompositorUpdate):
    """After a change of layout everything is sent: Textual makes one whenever the terminal comes back from another program, or
    has another size."""

    def __init__(self, update: CompositorUpdate, frames: Frames) -> None:
        self._update = update
        self._frames = frames

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What makes it a renderable; it is sent by the other method."""
        yield self.render_segments(console)

    def render_segments(self, console: Console) -> str:
        """See CompositorUpdate."""
        return self._frames.send(
            self._update.render_segments(console), everything=isinstance(self._update, LayoutUpdate)
        )
