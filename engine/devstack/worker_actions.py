"""The modules with actions that the stack's worker has, and whether they are the ones that are asked for.

A worker that lacks a module fails the runs that need it. So whoever joins a stack that is up gets its worker with the modules it
has, or is refused; the worker is not replaced by one that has fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from engine.errors import Conflict, Unavailable


class WorkerActions(BaseModel):
    """Modules with actions, and where they are found."""

    model_config = ConfigDict(frozen=True)

    files: dict[str, str]
    """File by module name: in another directory the same name may be another module."""
    directory: Path
    """Working directory of the worker, in which modules are looked for too."""

    @property
    def modules(self) -> str:
        """The names, as the option ``--actions`` takes them."""
        return ",".join(self.files)

    def includes(self, other: WorkerActions) -> bool:
        """Whether a worker with these modules has all of the other's."""
        return other.files.items() <= self.files.items()


def found_actions(modules: Sequence[str]) -> WorkerActions:
    """These modules as this process finds them, for a worker that starts in the same directory."""
    return WorkerActions(files={name: _file_of(name) for name in modules}, directory=_current_directory())


def actions_to_start(asked: WorkerActions, known: WorkerActions | None, *, running: bool) -> WorkerActions:
    """What the worker is to have: the modules that are asked for, or ``known``, which it has or had, when that is more.

    Raises ``Conflict`` (``STACK_HAS_OTHER_ACTIONS``) when a running worker lacks one, ``Unavailable``
    (``ACTIONS_DIRECTORY_MISSING``) when it had more than is asked for, and they cannot be found any more.
    """
    if known is None:
        return asked
    if known.files == asked.files:
        # In the order it had: another order would be another command, and so another worker.
        return known.model_copy(update={"directory": asked.directory})
    if known.includes(asked):
        if not known.directory.is_dir():
            raise Unavailable(
                "ACTIONS_DIRECTORY_MISSING",
                f"The stack has the actions of {known.modules} from the directory {known.directory}, which is gone.",
                "Bring it back, or run `runstudio dev down` and start the stack again with --actions.",
            )
        return known
    if running:
        missing = ", ".join(f"{name} ({file})" for name, file in asked.files.items() if known.files.get(name) != file)
        others = ",".join(name for name in known.files if name not in asked.files)
        keep = f" Add --actions {others} to keep those too." if others else ""
        raise Conflict(
            "STACK_HAS_OTHER_ACTIONS",
            f"The stack already runs, and its worker was started without {missing}. It has {known.modules or 'none'}.",
            f"Run `runstudio dev down`, then this command again; the data stays.{keep}",
            {"asked": asked.files, "running": known.files},
        )
    return asked


def _current_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        # It was deleted under us.
        return Path("/")


def _file_of(name: str) -> str:
    spec = find_spec(name)
    return "" if spec is None or spec.origin is None else spec.origin
