"""The file of an export: it has its name only when it is whole, and takes the name of another one only when told to."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from engine.errors import Conflict, EngineError, Invalid

FILE_EXISTS: Final = "FILE_EXISTS"


def refuse_existing(path: Path, *, replace: bool) -> None:
    """Raises ``Conflict`` (FILE_EXISTS) when there is a file of that name, unless it may be replaced, and ``Invalid``
    (FILE_UNWRITABLE) for what is no ordinary file: a folder, a link, a device."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise Invalid("FILE_UNWRITABLE", f"{path} is no ordinary file.", "Name another one.")
    if not replace:
        raise Conflict(FILE_EXISTS, f"{path} exists.", "Name another file; --force replaces this one.")


class ExportFile:
    """Written beside its place, in a file that its owner alone can read, and put there by ``finish``.

    As a context manager it leaves nothing behind that was not finished.
    """

    def __init__(self, path: Path, *, replace: bool = False) -> None:
        """Begin the file. Raises as ``refuse_existing``, and ``Invalid`` (FILE_UNWRITABLE) where none can be written."""
        refuse_existing(path, replace=replace)
        self.path = path
        self.size = 0
        """Bytes written so far."""
        self._replace = replace
        try:
            descriptor, name = tempfile.mkstemp(prefix=".runstudio-", suffix=".part", dir=path.parent)
        except (OSError, ValueError) as error:
            raise _unwritable(path, error) from error
        self._part: Path | None = Path(name)
        self._file = os.fdopen(descriptor, "wb")

    def write(self, text: str) -> None:
        """Write the next piece. Raises ``EngineError`` (FILE_UNWRITABLE): the disk is full, or gone."""
        written = text.encode()
        try:
            self._file.write(written)
        except OSError as error:
            raise _broken(self.path, error) from error
        self.size += len(written)

    def finish(self) -> None:
        """Give it its name. Raises ``Conflict`` (FILE_EXISTS) when another one has got that meanwhile, ``EngineError``."""
        if self._part is None:
            raise RuntimeError("the file is finished, or given up")
        try:
            self._file.close()
            if self._replace:
                os.replace(self._part, self.path)
            else:
                _put(self._part, self.path)
        except FileExistsError as error:
            raise Conflict(FILE_EXISTS, f"{self.path} exists by now.", "Name another file.") from error
        except OSError as error:
            raise _broken(self.path, error) from error
        self._part = None

    def give_up(self) -> None:
        """Remove what was written, unless it is finished."""
        if self._part is not None:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                self._part.unlink()
            self._part = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.give_up()


def _put(part: Path, path: Path) -> None:
    """Rename, but never over another file. Raises ``FileExistsError``."""
    try:
        # A link is refused where there is a file; a rename would take its place.
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without links.
        if os.path.lexists(path):
            raise FileExistsError(str(path)) from None
        os.rename(part, path)
    else:
        part.unlink()


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _unwritable(path: Path, error: OSError | ValueError) -> Invalid:
    told = f"{path} cannot be written: {_reason(error)}."
    return Invalid("FILE_UNWRITABLE", told, "Name a file in a folder that you may write to.")


def _broken(path: Path, error: OSError) -> EngineError:
    told = f"{path} could not be written to its end: {_reason(error)}."
    return EngineError("FILE_UNWRITABLE", told, "Nothing of it was kept; make room, or name another folder.")
