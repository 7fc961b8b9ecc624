"""Copying, and the operator's editor."""

from __future__ import annotations

import base64
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runstudio_tui.clipboard import OSC52_CAP, Clipboard, into_tmux, osc52
from runstudio_tui.editor import edit_text


def test_the_sequence_carries_the_text() -> None:
    sequence = osc52("0198c2 ✔", "none")
    assert sequence is not None
    assert base64.b64decode(sequence.removeprefix("\x1b]52;c;").removesuffix("\x07")).decode() == "0198c2 ✔"


def test_tmux_gets_it_plain_and_wrapped_and_screen_wrapped() -> None:
    inner = osc52("x", "none")
    assert inner is not None
    assert osc52("x", "tmux") == inner + "\x1bPtmux;" + inner.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    plain = osc52("x" * 2000, "none")
    both = osc52("x" * 2000, "screen")
    assert plain is not None
    assert both is not None
    assert both.startswith(plain)
    chunks = both.removeprefix(plain).removeprefix("\x1bP").split("\x1bP")
    assert len(chunks) == 6
    assert "".join(chunk.removesuffix("\x1b\\") for chunk in chunks) == plain


def test_s11_what_was_only_sent_is_not_called_copied(tmp_path: Path) -> None:
    written: list[str] = []
    taken: list[str] = []

    def clipboard(buffer: Callable[[str], bool] | None) -> Clipboard:
        return Clipboard(mode="auto", multiplexer="tmux", directory=tmp_path, write=written.append, buffer=buffer)

    def full(_: str) -> bool:
        return False

    def takes(text: str) -> bool:
        taken.append(text)
        return True

    assert clipboard(None).copy("x", "run id").text == "sent run id to the terminal (1 byte)"
    assert clipboard(full).copy("xy", "run id").text == "sent run id to the terminal (2 bytes)"
    assert (
        clipboard(takes).copy("xy", "run id").text == "copied run id into tmux, and sent it to the terminal (2 bytes)"
    )
    assert taken == ["xy"]
    assert written == [osc52("x", "tmux"), osc52("xy", "tmux"), osc52("xy", "tmux")]


def test_tmux_is_handed_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, kept = tmp_path / "tmux", tmp_path / "kept"
    program.write_text(f'#!/bin/sh\necho "$@" >{kept}.arguments\ncat >{kept}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert into_tmux("0198c2 ✔\nlast")
    assert kept.read_text() == "0198c2 ✔\nlast"
    assert (tmp_path / "kept.arguments").read_text() == "load-buffer -\n"
    program.write_text("#!/bin/sh\nexit 1\n")
    assert not into_tmux("x")
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not into_tmux("x")


def test_too_large_a_text_goes_to_a_file_and_its_path_to_the_clipboard(tmp_path: Path) -> None:
    written: list[str] = []
    clipboard = Clipboard(mode="auto", multiplexer="none", directory=tmp_path / "state", write=written.append)
    text = "y" * OSC52_CAP
    copied = clipboard.copy(text, "the document")
    path = tmp_path / "state" / "copied.txt"
    assert path.read_text() == text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert written == [osc52(str(path), "none")]
    assert "too large for the terminal" in copied.text
    assert not copied.failed


def test_file_mode_writes_no_sequence(tmp_path: Path) -> None:
    written: list[str] = []
    clipboard = Clipboard(mode="file", multiplexer="none", directory=tmp_path, write=written.append)
    assert "saved" in clipboard.copy("text", "run id").text
    assert written == []


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    copied = Clipboard(mode="file", multiplexer="none", directory=blocked, write=lambda _: None).copy("x", "run id")
    assert copied.failed
    assert "was not copied" in copied.text


def test_lone_surrogates_do_not_stop_a_copy() -> None:
    assert osc52("a\ud83d", "none") is not None


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "copied.txt").symlink_to(target)
    copied = Clipboard(mode="file", multiplexer="none", directory=tmp_path, write=lambda _: None).copy("evil", "x")
    assert copied.failed
    assert target.read_text() == "mine"


def test_the_editor_gets_the_text_and_the_file_is_gone(tmp_path: Path) -> None:
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys, os, stat\np = sys.argv[-1]\nt = open(p).read()\nopen(p, 'w').write(t + str(oct(os.stat(p).st_mode & 0o777)))"
    )
    state = tmp_path / "state"
    assert edit_text('{"a": 1}', f"{sys.executable} {script}", state) == '{"a": 1}0o600'
    assert list(state.iterdir()) == []


def test_an_editor_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="ended with code 1"):
        edit_text("x", "false", tmp_path)
    with pytest.raises(OSError, match=r"No such file|nowhere"):
        edit_text("x", "/nowhere/editor", tmp_path)
    with pytest.raises(ValueError, match="no editor"):
        edit_text("x", "", tmp_path)
    assert list(tmp_path.iterdir()) == []
