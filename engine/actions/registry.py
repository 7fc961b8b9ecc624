"""Which actions a process knows, and how they are found."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Final

from engine.actions.builtin.catalog import builtin_actions
from engine.actions.declaration import DEFAULT_TIMEOUT_SECONDS, RegisteredAction, action, declarations_of
from engine.actions.pure import PURE_ACTIONS
from engine.actions.raised import text_of
from engine.actions.secret_policy import SecretPolicy
from engine.actions.secrets import (
    DirectorySecrets,
    EnvironmentSecrets,
    SecretProvider,
    SecretResolver,
    providers_in,
    secret_provider,
)
from engine.errors import ACTION, EngineError, Invalid, StepFailure
from engine.interpreter.effects import ActionTraits
from engine.settings import Settings

__all__ = ["ActionRegistry", "RegisteredAction", "action", "load_actions", "secret_provider"]

ENTRY_POINTS: Final = "runstudio.actions"
NOT_REGISTERED: Final = "ACTION_NOT_REGISTERED"
NAME_ITS_MODULE: Final = (
    "Name the module that has it with --actions, for every worker: `runstudio worker --actions MODULE`, or"
    " `runstudio dev up --actions MODULE` for the development stack."
)


class ActionRegistry:
    """Actions by id and version. The pure built-in ones are always in it; they have a schema but no handler."""

    def __init__(self, actions: Iterable[RegisteredAction] = ()) -> None:
        self._actions: dict[tuple[str, int], RegisteredAction] = {}
        self._secret_providers: list[SecretProvider] = []
        for pure in PURE_ACTIONS.values():
            self.register(
                RegisteredAction(
                    id=pure.id,
                    version=pure.version,
                    input_model=pure.input_model,
                    output_model=pure.output_model,
                    traits=ActionTraits(quick=True, side_effects=False, timeout_seconds=DEFAULT_TIMEOUT_SECONDS),
                    handler=None,
                    description=pure.description,
                )
            )
        for registered in actions:
            self.register(registered)

    def register(self, registered: RegisteredAction) -> None:
        """Adds an action; the same declaration a second time is nothing new.

        Raises ``Invalid`` (``ACTION_DUPLICATE``) when another one has the id and version.
        """
        key = registered.id, registered.version
        present = self._actions.get(key)
        if present is not None and present is not registered:
            raise Invalid(
                "ACTION_DUPLICATE",
                f"Two actions are called {registered.label}: {_where(present)} and {_where(registered)}.",
                "Give one of them another id, or a new version.",
            )
        self._actions[key] = registered

    def register_module(self, module: ModuleType) -> None:
        """Adds every function in the module's namespace that is marked with ``@action`` (a package imports its own there), and
        what is marked with ``@secret_provider``.

        Raises ``Invalid``: ``ACTION_DUPLICATE``, or ``ACTIONS_MISSING`` when there is none at all.
        """
        found = [declared for value in tuple(vars(module).values()) for declared in declarations_of(value)]
        if not found:
            raise Invalid(
                "ACTIONS_MISSING",
                f"The module {module.__name__} has no action.",
                "Mark functions with @action, or name the module that has them.",
            )
        for declared in found:
            self.register(declared)
        self._secret_providers += providers_in(vars(module))

    def find(self, action_id: str, version: int) -> RegisteredAction | None:
        """The action, or None."""
        return self._actions.get((action_id, version))

    def get(self, action_id: str, version: int) -> RegisteredAction:
        """The action. Raises ``StepFailure`` (``ActionError``, ``ACTION_NOT_REGISTERED``) that says what there is instead."""
        registered = self.find(action_id, version)
        if registered is None:
            raise StepFailure(
                ACTION, self.missing(action_id, version), code=NOT_REGISTERED,
                details={"actionId": action_id, "version": version, "versions": list(self.versions_of(action_id))},
            )  # fmt: skip
        return registered

    def missing(self, action_id: str, version: int) -> str:
        """What to tell when ``find`` gave None: the registered versions of that name, or the names beside it."""
        said = f"Action {action_id} version {version} is not registered in this process."
        group = action_id.partition(".")[0] + "."
        beside = [name for name in self.names() if name.startswith(group)]
        versions = self.versions_of(action_id)
        if versions:
            said += f" Registered under that name: version {', '.join(map(str, versions))}."
        elif beside:
            said += f" Nothing has that name; with {group} begin: {', '.join(beside)}."
        else:
            said += " Nothing has that name; check the spelling."
        return f"{said} {NAME_ITS_MODULE}"

    def names(self) -> list[str]:
        """All ids, sorted."""
        return sorted({action_id for action_id, _ in self._actions})

    def versions_of(self, action_id: str) -> list[int]:
        """The registered versions of an id, ascending; empty when there is none."""
        return sorted(version for name, version in self._actions if name == action_id)

    def traits(self, action_id: str, version: int) -> ActionTraits:
        """What machine and host must know of the action. Raises ``StepFailure`` as ``get`` does."""
        return self.get(action_id, version).traits

    def input_schema(self, action_id: str, version: int) -> dict[str, Any]:
        """JSON schema of the input. Raises ``StepFailure`` as ``get`` does."""
        return self.get(action_id, version).input_schema()

    def output_schema(self, action_id: str, version: int) -> dict[str, Any]:
        """JSON schema of the output. Raises ``StepFailure`` as ``get`` does."""
        return self.get(action_id, version).output_schema()

    def secrets(self, settings: Settings) -> SecretResolver:
        """Where this process takes secrets from: its environment, the directory of the settings, the registered providers.

        Raises ``Invalid`` (``SETTING_INVALID``) when the settings name a policy that cannot be read.
        """
        policy = None if settings.secret_policy_file is None else SecretPolicy.load(settings.secret_policy_file)
        directory = [] if settings.secrets_dir is None else [DirectorySecrets(settings.secrets_dir)]
        return SecretResolver([EnvironmentSecrets(), *directory, *self._secret_providers], policy)

    def __iter__(self) -> Iterator[RegisteredAction]:
        """All actions, by id and version."""
        return iter(sorted(self._actions.values(), key=lambda registered: (registered.id, registered.version)))


def load_actions(modules: Sequence[str] = (), settings: Settings | None = None) -> ActionRegistry:
    """The built-in actions, those of installed packages (entry points ``runstudio.actions``), and those of ``modules``.

    ``settings`` (the environment's by default) say what ``http.request`` may reach. Raises ``Invalid``:
    ``ACTION_MODULE_UNAVAILABLE`` when a module cannot be imported, ``ACTION_DUPLICATE``, ``ACTIONS_MISSING``.
    """
    registry = ActionRegistry(builtin_actions(settings or Settings.load()))
    named = [entry.value.partition(":")[0] for entry in entry_points(group=ENTRY_POINTS)]
    for name in dict.fromkeys([*named, *modules]):
        registry.register_module(_import(name))
    return registry


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except EngineError:
        # A declaration in it was refused, which says what is wrong with it.
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Invalid(
            "ACTION_MODULE_UNAVAILABLE",
            f"The actions in {name} cannot be loaded: {_told(error)}.",
            "Write the module's name as for `python -m`, such as my_package.actions. --actions also looks in the current"
            " directory; RUNSTUDIO_ACTIONS needs the package to be installed, or its directory in PYTHONPATH.",
        ) from error


def _told(error: BaseException) -> str:
    if isinstance(error, ImportError | SyntaxError) and str(error):
        return str(error)
    [frame] = traceback.extract_tb(error.__traceback__)[-1:]
    said = ": ".join(filter(None, (type(error).__name__, text_of(error))))
    return f"{said} ({frame.filename}, line {frame.lineno})"


def _where(registered: RegisteredAction) -> str:
    handler = registered.handler
    return "the engine" if handler is None else f"{handler.__module__}.{getattr(handler, '__qualname__', '?')}"
