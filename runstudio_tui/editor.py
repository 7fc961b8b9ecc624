"""A text in the operator's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path


def edit_text(text: str, editor: str, directory: Path) -> str:
    """``text`` as the editor left it. ``editor`` may have arguments; it is started directly, never by a shell. The file is the
    operator's alone (0600) and is gone afterwards. Raises OSError when the editor cannot be started or fails, ValueError when
    ``editor`` or the result cannot be read."""
    command = shlex.split(editor)
    if not command:
        raise ValueError("no editor is set")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix="payload-", suffix=".json", dir=directory)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        done = _run([*command, name])
        if done.returncode != 0:
            raise OSError(f"{command[0]} ended with code {done.returncode}")
        return path.read_text(encoding="utf-8")
    finally:
        path.unlink(missing_ok=True)


def _run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, check=False)  # noqa: S603 - the operator's own editor, no shell
    except OSError as error:
        raise OSError(f"{command[0]} cannot be started: {error.strerror}") from None
