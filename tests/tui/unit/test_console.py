"""What a console cannot do: its settings, its clipboard, and the walls of its process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runstudio_tui.clipboard import OSC52_CAP, Clipboard
from runstudio_tui.commands.console import steering, walls
from runstudio_tui.config import StudioConfig, config_path, load_config

OPEN_FOR_READING = ("/etc/passwd", "r", os.O_RDONLY)


def settings(**variables: str) -> StudioConfig:
    return load_config({"console": True}, {"LANG": "C.UTF-8", "HOME": "/nonexistent", **variables}).config


def test_the_client_chooses_neither_editor_nor_files() -> None:
    config = settings(
        EDITOR="sh", VISUAL="sh", PAGER="sh", RUNSTUDIO_EDITOR="sh", RUNSTUDIO_CLIPBOARD="file",
        HOME="/home/alice", XDG_STATE_HOME="/tmp", RUNSTUDIO_STATE_DIR="/tmp",
    )  # fmt: skip
    assert (config.console, config.editor, config.clipboard) == (True, "", "osc52")
    assert config.state_dir == "/home/alice/.local/state/runstudio"


def test_the_client_does_not_switch_it_off() -> None:
    assert settings(RUNSTUDIO_CONSOLE="false").console
    assert not load_config({}, {"RUNSTUDIO_CONSOLE": "true"}).config.console


def test_read_only_is_not_taken_back(tmp_path: Path) -> None:
    home = str(tmp_path)
    path = config_path({"HOME": str(tmp_path)})
    path.parent.mkdir(parents=True)
    path.write_text('read_only = true\ntheme = "dark"\nconsole = false\n')
    assert settings(HOME=home, RUNSTUDIO_READ_ONLY="false").read_only
    assert settings(HOME=home).theme == "dark"
    assert not load_config({}, {"HOME": home, "RUNSTUDIO_READ_ONLY": "false"}).config.read_only
    path.write_text("")
    assert settings(HOME=home, RUNSTUDIO_READ_ONLY="true").read_only


def test_what_the_terminal_looks_like_is_for_the_client_to_say() -> None:
    config = settings(LANG="C", NO_COLOR="1", TZ="Europe/Berlin", RUNSTUDIO_THEME="light", TERM="tmux-256color")
    assert (config.glyphs, config.color, config.timezone, config.theme) == ("ascii", False, "Europe/Berlin", "light")
    assert config.multiplexer == "tmux"


def test_a_copy_that_the_terminal_cannot_carry_goes_nowhere(tmp_path: Path) -> None:
    written: list[str] = []
    clipboard = Clipboard(mode="osc52", multiplexer="none", directory=tmp_path / "state", write=written.append)
    copied = clipboard.copy("y" * OSC52_CAP, "document")
    assert copied.failed
    assert copied.text == "document was not copied: 74,994 bytes are too many for the terminal"
    assert (written, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONWARNINGS"])
def test_a_variable_that_steers_the_interpreter_is_found(name: str) -> None:
    assert steering({"LANG": "C", name: "x"}) == name
    assert steering({"LANG": "C", "PYTHONUNBUFFERED": "1"}) == ""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory, beside which nothing may be changed."""
    made = tmp_path / "home" / ".local" / "state" / "runstudio"
    made.mkdir(parents=True)
    return made


def refuses(state: Path, event: str, *arguments: Any) -> bool:
    try:
        walls(state)(event, arguments)
    except PermissionError:
        return True
    return False


def test_the_walls_let_the_state_directory_be_used(state: Path) -> None:
    log = str(state / "studio.log")
    for flags in (os.O_WRONLY | os.O_CREAT | os.O_APPEND, os.O_RDWR):
        assert not refuses(state, "open", log, None, flags)
    assert not refuses(state, "os.rename", log, f"{log}.1", -1, -1)
    assert not refuses(state, "os.remove", log, -1)
    assert not refuses(state, "os.chmod", 3, 0o600, -1)
    for made in (state, *state.parents):
        assert not refuses(state, "os.mkdir", str(made), 0o700, -1)
    assert not refuses(state, "open", *OPEN_FOR_READING)
    assert not refuses(state, "open", "/dev/null", "w", os.O_WRONLY)


def test_the_walls_hold_outside_of_it(state: Path) -> None:
    outside = state.parents[2] / "authorized_keys"
    (state / "way-out").symlink_to(state.parents[2])
    for path in (
        outside,
        state / "way-out" / "authorized_keys",
        f"{state}-beside",
        state / ".." / "x",
        "relative",
        b"x",
    ):
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND):
            assert refuses(state, "open", path, "w", flags)
        assert refuses(state, "os.remove", path, -1)
        assert refuses(state, "os.rename", state / "x", path, -1, -1)
        assert refuses(state, "os.link", path, state / "x", -1, -1)
        assert refuses(state, "os.mkdir", path, 0o700, -1)
    assert refuses(state, "os.remove", state.parent, -1)
    assert refuses(state, "open", "/dev/shm/x", "w", os.O_WRONLY)
    assert refuses(state, "os.symlink", "/etc", state.parents[1] / "etc", -1)


ATTEMPTS = {
    "subprocess": "subprocess.run(['true'])",
    "shell": "subprocess.run('true', shell=True)",
    "os.system": "os.system('true')",
    "os.popen": "os.popen('true').read()",
    "os.execv": "os.execv('/bin/true', ['true'])",
    "os.fork": "os.fork() or os._exit(0)",
    "os.posix_spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "os.spawnv": "os.spawnv(os.P_WAIT, '/bin/true', ['true'])",
    "pty.spawn": "pty.spawn(['true'])",
    "pty.fork": "pty.fork()[0] or os._exit(0)",
    "asyncio": "asyncio.run(asyncio.create_subprocess_exec('true'))",
    "browser": "assert webbrowser.open('http://127.0.0.1:9/'), 'refused'",
    "multiprocessing": "multiprocessing.get_context('fork').Process(target=os.getpid).start()",
    "spawn": "multiprocessing.get_context('spawn').Process(target=os.getpid).start()",
    "forkserver": "multiprocessing.get_context('forkserver').Process(target=os.getpid).start()",
    "file": "open('/tmp/outside-of-a-console', 'w')",
    "pathlib": "pathlib.Path('/tmp/outside-of-a-console').write_text('x')",
    "tempfile": "tempfile.NamedTemporaryFile()",
    "rmtree": "shutil.rmtree('/tmp/outside-of-a-console')",
}
TRYING = """
import asyncio, json, multiprocessing, os, pathlib, pty, shutil, subprocess, sys, tempfile, webbrowser
webbrowser.register('true', None, webbrowser.GenericBrowser('true'), preferred=True)
from runstudio_tui.commands.console import close
results = {}
attempts = json.loads(sys.argv[1])
if sys.argv[2] == "closed":
    close(pathlib.Path(sys.argv[3]))
for name, code in attempts.items():
    try:
        exec(code)
        results[name] = "done"
    except (OSError, AssertionError) as error:
        results[name] = "refused"
print(json.dumps(results))
"""


def tried(attempts: dict[str, str], walls: str, state: Path) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", TRYING, json.dumps(attempts), walls, str(state)],
        capture_output=True,
        text=True,
        check=True,
    )
    results: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return results


def test_f26_a_process_behind_the_walls_starts_nothing(state: Path) -> None:
    assert tried(ATTEMPTS, "closed", state) == dict.fromkeys(ATTEMPTS, "refused")


def test_the_same_is_possible_without_the_walls(state: Path) -> None:
    possible = {name: code for name, code in ATTEMPTS.items() if name not in ("os.execv", "rmtree", "file", "pathlib")}
    assert tried(possible, "open", state) == dict.fromkeys(possible, "done")
