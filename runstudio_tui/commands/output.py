"""How a command answers: text for people, JSON for programs, and an exit code that says which kind of answer it was."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NoReturn

from engine.errors import Conflict, EngineError, Forbidden, Invalid, NotFound, Unavailable
from engine.records.plain import plain
from engine.values.terminal_text import escaped_json
from runstudio_tui.text import safe

if TYPE_CHECKING:
    from engine.records import Document

CELLS: Final = 60
"""Most cells of a table's column; ``--json`` has the whole text."""


class Exit(IntEnum):
    """Exit codes of every command (docs/cli.md)."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNAVAILABLE = 5
    FORBIDDEN = 6
    ACCEPTED = 7
    """The request was recorded, but what it asks for has not happened yet."""
    INTERNAL = 70


EXIT_OF: tuple[tuple[type[EngineError], Exit], ...] = (
    (NotFound, Exit.NOT_FOUND),
    (Conflict, Exit.CONFLICT),
    (Unavailable, Exit.UNAVAILABLE),
    (Forbidden, Exit.FORBIDDEN),
    (Invalid, Exit.USAGE),
)


def exit_code(error: EngineError) -> Exit:
    """The exit code that tells a program which kind of refusal this was."""
    return next((code for kind, code in EXIT_OF if isinstance(error, kind)), Exit.REFUSED)


def json_text(value: Any) -> str:
    """``value`` as a JSON document to read; in its texts, what could drive a terminal is escaped, as JSON allows.

    So is every character beyond ASCII where the output is not in UTF-8, so that the document says the same.
    """
    ascii_only = not sys.stdout.encoding.lower().replace("-", "").startswith("utf")
    return escaped_json(json.dumps(plain(value), ensure_ascii=ascii_only, allow_nan=False, indent=2))


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json_text(value))


def say(*lines: str) -> None:
    """Lines for people on standard output, without one an empty one.

    Control characters of foreign text are made visible, not obeyed: none begins a line that looks like one of ours.
    """
    for text in lines or ("",):
        print(safe(text))


def say_document(document: Document) -> None:
    """Its JSON, and the places in it that are hidden."""
    print_json(document.value)
    if document.masked:
        say(f"hidden: {', '.join(pointer or 'all of it' for pointer in sorted(document.masked))}")


def progress(text: str) -> None:
    """A line of progress on standard error, so that standard output stays an answer."""
    print(safe(text), file=sys.stderr, flush=True)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, none: str | None) -> None:
    """Columns as wide as their widest cell, two spaces between; a longer text than ``CELLS`` is cut, but for the last column.

    ``none``: the sentence that is said instead when there is no row; None where there always is one.
    Widths are counted in cells of the terminal: a character of Japanese takes two, also where it can only be ``??``.
    """
    from runstudio_tui.widgets.cells import cut, pad, width

    if not rows and none is not None:
        say(none)
        return
    lines = [list(headings), *([safe(cell) for cell in row] for row in rows)]
    lines = [[_encodable(cell) for cell in (*(cut(cell, CELLS) for cell in line[:-1]), line[-1])] for line in lines]
    widths = [max(width(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        print("  ".join(pad(cell, cells) for cell, cells in zip(line, widths, strict=True)).rstrip())


def _encodable(text: str) -> str:
    """``text`` with question marks, cell for cell, for what the encoding of standard output lacks."""
    from runstudio_tui.widgets.cells import width

    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return "".join(sign if sign.encode(sys.stdout.encoding, "ignore") else "?" * width(sign) for sign in text)
    return text


def say_more(cursor: str | None) -> None:
    """How to ask for the page after this one, when there is one."""
    if cursor:
        say("", f"More: --after {cursor}")


def refuse(error: EngineError, *, as_json: bool) -> NoReturn:
    """Say why an operation was refused, on standard error, and end with its exit code."""
    raise SystemExit(print_refusal(error, as_json=as_json))


def print_refusal(error: EngineError, *, as_json: bool) -> int:
    """Say why an operation was refused, on standard error; the exit code of that refusal."""
    if as_json:
        answer = {"error": {"code": error.code, "message": error.message, "hint": error.hint, "details": error.details}}
        print(json_text(answer), file=sys.stderr)
    else:
        print(safe(f"{error.code}: {error.message}"), file=sys.stderr)
        if error.hint:
            print(safe(error.hint), file=sys.stderr)
    return int(exit_code(error))


def run_command(work: Callable[[], Coroutine[Any, Any, Exit | None]], *, as_json: bool = False) -> NoReturn:
    """Run a command's coroutine; refusals become a message and an exit code, Ctrl+C ends quietly with 130."""
    try:
        code = asyncio.run(work())
    except EngineError as error:
        refuse(error, as_json=as_json)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(int(code or Exit.DONE))
