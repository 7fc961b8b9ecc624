"""JSON that stands in a file: read whole, up to a size, and refused with what is wrong and where."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from engine.errors import Invalid

if TYPE_CHECKING:
    from engine.values.json_policy import CleanJson

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of a file or of standard input, so that an endless one ends. What may be stored is far less, and the engine says how much."""
_MAX_TYPED: Final = 4 * 1024 * 1024
"""Of a file that is named in the studio: more than any definition may have."""


def read_bytes(path: str) -> bytes:
    """The bytes of a file or pipe, at most one more than ``MAX_BYTES``. Raises ``Invalid`` (FILE_UNREADABLE)."""
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        _refuse(path, error)


def parse_bytes(raw: bytes, named: str, *, max_bytes: int = MAX_BYTES) -> CleanJson:
    """JSON as it may be stored. Raises ``Invalid`` with a code of the JSON policy (JSON_SYNTAX with line and column,
    JSON_NUMBER_NOT_FINITE, JSON_DUPLICATE_KEY, JSON_TOO_LARGE, ...); its message begins with ``named``."""
    from engine.values.json_policy import parse_json  # noqa: PLC0415 - a tenth of a second that no first screen needs

    try:
        return parse_json(raw.removeprefix(b"\xef\xbb\xbf"), max_bytes=max_bytes)
    except Invalid as refusal:
        hint = f"{refusal.hint} Nothing was sent."
        raise Invalid(refusal.code, f"{named}: {refusal.message}", hint, refusal.details) from refusal


def json_of_typed_path(typed: str) -> CleanJson:
    """JSON of a file whose path somebody typed; ``~`` is their home. Only of a regular file that is not too large: nothing is
    read of a pipe or a device, which may never end.

    Raises ``Invalid``: FILE_UNREADABLE, FILE_NOT_REGULAR, JSON_TOO_LARGE, and as ``parse_bytes``.
    """
    path = os.path.expanduser(typed)
    try:
        found = Path(path).stat()
    except (OSError, ValueError) as error:
        _refuse(typed, error)
    if not stat.S_ISREG(found.st_mode):
        raise Invalid("FILE_NOT_REGULAR", f"{typed} is no regular file.", "Name a UTF-8 JSON file.")
    if found.st_size > _MAX_TYPED:
        raise Invalid(
            "JSON_TOO_LARGE",
            f"{typed} has {found.st_size:,} bytes; {_MAX_TYPED:,} are allowed.",
            "Name the file of one definition.",
            {"bytes": found.st_size, "limit": _MAX_TYPED},
        )
    return parse_bytes(read_bytes(path), typed, max_bytes=_MAX_TYPED)


def _refuse(path: str, error: OSError | ValueError) -> NoReturn:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    raise Invalid(
        "FILE_UNREADABLE", f"{path} cannot be read: {reason}.", "Name a UTF-8 JSON file, or - for stdin."
    ) from error
