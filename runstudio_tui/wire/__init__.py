"""What goes to the terminal: of a frame only what differs from what is there, in few bytes."""

from __future__ import annotations

from runstudio_tui.wire.frames import Frames as Frames
from runstudio_tui.wire.update import in_frames as in_frames
