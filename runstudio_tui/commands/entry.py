"""From the words of a command line to an exit code, whatever happens in between: no traceback reaches the terminal."""

from __future__ import annotations

import errno
import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import typer

from engine.errors import EngineError, Invalid
from runstudio_tui.commands.output import Exit, print_refusal
from runstudio_tui.commands.root import app
from runstudio_tui.streams import write_no_more
from runstudio_tui.text import safe_block

_COMMAND: Final = typer.main.get_command(app)
# What Typer raises for words it does not understand; it keeps the name to itself.
_TOLD_ERROR = typer.BadParameter.__mro__[2]
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
LONGEST_WORD: Final = 500
"""Of an argument that is repeated in a refusal, in characters."""


def run(words: Sequence[str]) -> NoReturn:
    """Run a command and end the process with one of the exit codes of docs/cli.md."""
    as_json = "--json" in words
    for stream in (sys.stdout, sys.stderr):
        # What another encoding than UTF-8 lacks is replaced, and no reason to stop.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # The backend's own troubles are told once, below, and not by the logger of last resort in between.
    logging.getLogger("runstudio_tui").addHandler(logging.NullHandler())
    try:
        code = _run(words, as_json=as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads on, as with `| head`: that is no failure.
        write_no_more()
        code = int(Exit.DONE)
    except OSError as error:
        write_no_more()
        told = f"The answer cannot be written to standard output: {error.strerror}."
        code = print_refusal(
            EngineError("OUTPUT_NOT_WRITTEN", told, "Make room, or send it elsewhere."), as_json=as_json
        )
    raise SystemExit(code)


def _run(words: Sequence[str], *, as_json: bool) -> int:
    try:
        _check_text(words)
        # It gives the code of `--help` and the like back; our own commands end with SystemExit.
        code = _COMMAND.main(args=list(words), prog_name="runstudio", standalone_mode=False)
        return code if isinstance(code, int) else int(Exit.DONE)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            # Typer's own answer to a reader that has gone.
            raise end.__context__ from None
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        raise
    except OSError as error:
        # A file that a command reads or writes has a name, and standard output none.
        if error.errno in _NO_ROOM and error.filename is None:
            raise
        return _bug(error, as_json=as_json)
    except EngineError as error:
        return print_refusal(error, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is kept in the log file and told
        if isinstance(error, _TOLD_ERROR):
            return _usage(error, as_json=as_json)
        return _bug(error, as_json=as_json)


def _check_text(words: Sequence[str]) -> None:
    """Raises ``Invalid``: bytes that are no text could neither be stored nor be found."""
    if any("\ud800" <= sign <= "\udfff" for word in words for sign in word):
        raise Invalid(
            "ARGUMENT_NOT_TEXT", "An argument is not UTF-8 text.", "Write it in UTF-8; a file's name can be -."
        )


def _usage(error: Exception, *, as_json: bool) -> int:
    if not as_json:
        text = io.StringIO()
        error.show(file=text)  # type: ignore[attr-defined] # Typer's own, which it does not name
        print(safe_block(text.getvalue().rstrip()), file=sys.stderr)
        return int(Exit.USAGE)
    said = error.format_message()  # type: ignore[attr-defined] # the same
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "runstudio"
    return print_refusal(Invalid("USAGE", said[:LONGEST_WORD], f"See {command} --help."), as_json=True)


def _bug(error: Exception, *, as_json: bool) -> int:
    """Keep the traceback for whoever mends it, and say where it is."""
    from runstudio_tui.config import ConfigError, load_config
    from runstudio_tui.logfile import log_to

    try:
        state = Path(load_config({}).config.state_dir)
    except ConfigError:
        state = Path("~/.local/state/runstudio").expanduser()
    path = log_to(state)
    logging.getLogger("runstudio_tui").error("a command failed", exc_info=error)
    where = f"The traceback is in {path}." if path else "Its log file cannot be written."
    told = EngineError("INTERNAL_ERROR", f"A bug got through: {type(error).__name__}.", where)
    print_refusal(told, as_json=as_json)
    return int(Exit.INTERNAL)
