"""``--console``: the studio as the one thing a person reaches on a host, as the forced command of sshd starts it.

``enter`` comes before every import that reads the environment. From then on the process itself refuses to start a program and
to change files outside its state directory, whatever a screen forgets to ask.
"""

from __future__ import annotations

import _posixsubprocess
import os
import pwd
import resource
import sys
import termios
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from runstudio_tui.config import console_state_dir

REFUSED: Final = 2

_KEPT: Final = frozenset(
    {
        "COLORTERM", "DATABASE_URL", "HOME", "LANG", "LOGNAME", "NO_COLOR", "SSH_CONNECTION", "STY",
        "SUDO_UID", "SUDO_USER", "TERM", "TMUX", "TZ", "USER",
    }
)  # fmt: skip
_KEPT_PREFIXES: Final = ("KRB5", "LC_", "PG", "RUNSTUDIO_", "SSL_CERT_", "TEMPORAL_")
_KEPT_SERVED: Final = frozenset({"COLUMNS", "ROWS", "TEXTUAL_COLOR_SYSTEM"})
"""What the server says of the browser's terminal."""

_HARMLESS: Final = frozenset(
    {
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED",
        "PYTHONNOUSERSITE",
        "PYTHONSAFEPATH",
        "PYTHONUNBUFFERED",
        "PYTHONUTF8",
    }
)
"""Variables of the interpreter that load nothing and run nothing."""

_STARTS: Final = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "subprocess.Popen"}
)
"""Audit events of what starts a program."""
_NO_PROGRAM: Final = "the console starts no other program"
_CHANGES: Final = {
    "os.chflags": 1, "os.chmod": 1, "os.chown": 1, "os.link": 2, "os.mkdir": 1, "os.remove": 1, "os.removexattr": 1,
    "os.rename": 2, "os.rmdir": 1, "os.setxattr": 1, "os.symlink": 2, "os.truncate": 1, "os.utime": 1,
}  # fmt: skip
"""Audit events of what changes files, and how many of their arguments are paths."""
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_DEVICES: Final = frozenset({"/dev/null", "/dev/tty"})


def enter(*, served: bool = False) -> None:
    """Make this process a console, or end it with a sentence and exit code 2. There is no way back.

    ``served``: in a browser, as a child of ``runstudio serve``, which speaks to it through pipes.
    """
    _refuse_a_steered_interpreter()
    if os.environ.get("SSH_ORIGINAL_COMMAND"):
        _refuse("The console runs no command; connect without one.")
    if not served:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            _refuse("The console needs a terminal: ssh -t asks for one.")
        _no_signals_from_keys()
    for name in [name for name in os.environ if not _kept(name, served=served)]:
        del os.environ[name]
    if not served:
        os.environ["HOME"] = _home()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    close(console_state_dir(os.environ))


def _home() -> str:
    """The home that the system knows for the account, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        # A container's user need not have an entry; then nothing is kept.
        return "/nonexistent"


def _kept(name: str, *, served: bool) -> bool:
    return name in _KEPT or name.startswith(_KEPT_PREFIXES) or (served and name in _KEPT_SERVED)


def _refuse_a_steered_interpreter() -> None:
    """PYTHONPATH, PYTHONINSPECT and the like have had their effect before any line of ours ran."""
    found = steering(os.environ)
    if found and not sys.flags.ignore_environment:
        sys.stderr.write(f"The console was not started, because {found} is set in its environment.\n")
        sys.stderr.flush()
        # Not by an exception: PYTHONINSPECT would answer that with a prompt of the interpreter.
        os._exit(REFUSED)


def steering(environment: Mapping[str, str]) -> str:
    """The first variable that makes the interpreter run or load something, or may; empty for none."""
    return min((name for name in environment if name.startswith("PYTHON") and name not in _HARMLESS), default="")


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    raise SystemExit(REFUSED)


def _no_signals_from_keys() -> None:
    """ctrl+z, ctrl+\\ and ctrl+c are keys, also in the first second, before the studio has taken the terminal."""
    with suppress(termios.error):
        attributes = termios.tcgetattr(0)
        attributes[3] &= ~termios.ISIG
        termios.tcsetattr(0, termios.TCSANOW, attributes)


def close(state_dir: Path) -> None:
    """Put the walls up, for as long as the process lives."""
    sys.addaudithook(walls(state_dir))
    # By this alone multiprocessing starts an interpreter, and it raises no audit event.
    _posixsubprocess.fork_exec = _start_nothing


def _start_nothing(*_arguments: object) -> NoReturn:
    raise PermissionError(_NO_PROGRAM)


def walls(state_dir: Path) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that refuses to start a program, and to change a file outside ``state_dir``, with PermissionError."""
    inside = os.path.realpath(state_dir)

    def permits(path: Any, *, parents: bool = False) -> bool:
        if isinstance(path, int):  # a file that is open already
            return True
        if path is None:
            return False
        real = os.path.realpath(os.fsdecode(path))
        if real == inside or real.startswith(inside + os.sep):
            return True
        return parents and inside.startswith(real.rstrip(os.sep) + os.sep)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STARTS:
            raise PermissionError(_NO_PROGRAM)
        if event == "open":
            path, _, flags = arguments
            if flags & _WRITES and not (path in _DEVICES or permits(path)):
                raise PermissionError(f"the console writes no file outside {inside}")
        elif event in _CHANGES:
            # The state directory is made when it is missing, and so are those above it.
            paths = arguments[: _CHANGES[event]]
            if not all(permits(path, parents=event == "os.mkdir") for path in paths):
                raise PermissionError(f"the console changes no file outside {inside}")

    return hook
