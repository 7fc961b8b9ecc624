"""``python -m runstudio_tui``."""

from runstudio_tui.cli import main

main()
