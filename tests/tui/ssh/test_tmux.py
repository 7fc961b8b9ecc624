"""tmux at either end: the screen it shows of a console, and what arrives of a copy."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.not_run import needed
from tests.tui.ssh.server import ROOT, Host, until


class Tmux:
    """A tmux server of its own, with one window of 80x24."""

    def __init__(self, program: str, directory: Path, options: dict[str, str]) -> None:
        self._program = program
        self._socket = directory / "socket"
        self._config = directory / "tmux.conf"
        self._config.write_text("".join(f"set -g {name} {value}\n" for name, value in options.items()))

    def __call__(self, *words: str, check: bool = True) -> str:
        """Run a command of tmux."""
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color", "HOME": "/nonexistent"}
        done = subprocess.run(
            [self._program, "-S", str(self._socket), "-f", str(self._config), *words],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, (words, done.stderr)
        return done.stdout

    def open(self, command: list[str]) -> None:
        """Run a program in the window."""
        self("new-session", "-d", "-x", "80", "-y", "24", shlex.join(command))

    @property
    def screen(self) -> list[str]:
        """The lines of the window."""
        return self("capture-pane", "-p").split("\n")

    def until(self, true: Callable[[list[str]], Any]) -> Any:
        """Wait until the screen is as it must become; what ``true`` said of it then."""
        return until(lambda: true(self.screen), lambda: "\n".join(self.screen))

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self("send-keys", *keys)


Start = Callable[..., Tmux]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Start]:
    """``tmux(option=value)`` makes one; its options are those with underscores for dashes."""
    made: list[Tmux] = []
    (program,) = needed("tmux")

    def make(**options: str) -> Tmux:
        directory = tmp_path / str(len(made))
        directory.mkdir()
        options.setdefault("default_terminal", "tmux-256color")
        made.append(Tmux(program, directory, {name.replace("_", "-"): value for name, value in options.items()}))
        return made[-1]

    yield make
    for server in made:
        server("kill-server", check=False)


def cursor_line(screen: list[str]) -> int | None:
    """Which line of the screen has the cursor of the list."""
    return next((number for number, line in enumerate(screen) if line.startswith("▌")), None)


def copied(server: Tmux) -> str:
    """What is in tmux's own buffer, once something is."""
    return str(until(lambda: server("show-buffer", check=False).strip(), lambda: "\n".join(server.screen)))


def test_the_console_in_a_tmux_of_80x24(host: Host, tmux: Start) -> None:
    server = tmux(set_clipboard="on")
    server.open(host.command("alice", options=("-t",)))
    server.until(lambda screen: any("order-fulfilment" in line for line in screen))
    screen = server.until(lambda screen: screen if cursor_line(screen) is not None else None)
    assert "Runs" in screen[0]
    assert "STATUS" in screen[3]
    assert "quit" in screen[23]
    begun = cursor_line(screen)
    assert begun is not None
    server.press("j", "j")
    server.until(lambda screen: cursor_line(screen) == begun + 2)
    server.press("k")
    server.until(lambda screen: cursor_line(screen) == begun + 1)
    server.press("Enter")
    server.until(lambda screen: "RUN STUDIO  Runs ▸ order-fulfilment" in screen[0] and "back" in screen[23])
    server.press("v")
    server.until(lambda screen: any("temporal     workflow-runtime-v2:run:" in line for line in screen))
    server.press("q")
    server.until(lambda screen: cursor_line(screen) == begun + 1)
    server.press("y")
    assert len(copied(server)) == 36
    server.until(lambda screen: any("sent run id to the terminal (36 bytes)" in line for line in screen))


@pytest.mark.parametrize("options", [{}, {"set_clipboard": "on"}], ids=["as it comes", "takes sequences"])
def test_s11_a_studio_inside_a_tmux_copies_into_it(tmux: Start, tmp_path: Path, options: dict[str, str]) -> None:
    server = tmux(**options)
    environment = {"HOME": str(tmp_path), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    words = [f"{name}={value}" for name, value in environment.items()]
    server.open(["env", *words, sys.executable, "-m", "runstudio_tui", "--demo"])
    server.until(lambda screen: cursor_line(screen) is not None)
    server.press("y")
    assert len(copied(server)) == 36
    server.until(lambda screen: any("copied run id into tmux, and sent it" in line for line in screen))


def test_a_tmux_that_only_passes_on_gets_it_wrapped(tmux: Start, tmp_path: Path) -> None:
    """A tmux in a tmux: the inner one takes no sequence for itself, and passes the wrapped one on to the outer one."""
    outer = tmux(set_clipboard="on")
    inner = tmux(set_clipboard="external", allow_passthrough="on", status="off")
    environment = {"HOME": str(tmp_path), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    words = [f"{name}={value}" for name, value in environment.items()]
    inner.open(["env", *words, sys.executable, "-m", "runstudio_tui", "--demo"])
    attach = [inner._program, "-S", str(inner._socket), "attach"]
    outer.open(["env", "-u", "TMUX", "LANG=C.UTF-8", *attach])
    outer.until(lambda screen: cursor_line(screen) is not None)
    outer.press("y")
    assert len(copied(outer)) == 36
