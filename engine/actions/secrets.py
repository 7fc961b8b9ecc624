"""Secrets: ``{"$secret": "NAME"}`` in an action's input becomes a value just before the action runs, and nowhere else.

What the action gives back is scrubbed of the values (``scrubbing``), so that none of them is ever stored.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import stat
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from engine.actions.raised import is_routine, passes, presentable
from engine.actions.secret_policy import SecretPolicy, SecretUse
from engine.errors import ACTION, TRANSIENT, Invalid, StepFailure
from engine.values.json_pointer import names_of, segment

NAME_PATTERN: Final = re.compile(r"[A-Z][A-Z0-9_]{0,254}")
VARIABLE_PREFIX: Final = "RUNSTUDIO_SECRET_"

NOT_FOUND: Final = "SECRET_NOT_FOUND"
UNREADABLE: Final = "SECRET_UNREADABLE"
NAME_INVALID: Final = "SECRET_NAME_INVALID"

_MARK: Final = "__runstudio_secret_provider__"

MAX_SECRET_BYTES: Final = 64 * 1024
PROVIDER_SECONDS: Final = 30.0
"""How long a provider may take; an action's own time begins when it has its secrets."""
_UNSTORABLE: Final = re.compile("[\ud800-\udfff]")
"""What Python makes of bytes in a variable that are no UTF-8."""

SecretReader = Callable[[str, str], Awaitable[str | None]]
AnyReader = TypeVar("AnyReader", bound=SecretReader)


class SecretProvider(Protocol):
    """Where secrets come from."""

    async def read(self, name: str, tenant: str) -> str | None:
        """The value of the secret, or None (or an empty text) when this provider has none of that name.

        Raises whatever it likes: a ``StepFailure`` fails the step as it is, anything else as ``SECRET_UNREADABLE``.
        """
        ...


class EnvironmentSecrets:
    """``RUNSTUDIO_SECRET_<NAME>`` of the process; an empty variable is no secret."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    async def read(self, name: str, tenant: str) -> str | None:
        return self._environment.get(VARIABLE_PREFIX + name) or None


class UnreadableSecret(Exception):
    """What is wrong with the place of a secret; its text quotes nothing that was read there."""


class DirectorySecrets:
    """One file per secret, named as the secret, as container platforms mount them. One final line break is not part of it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def read(self, name: str, tenant: str) -> str | None:
        return await asyncio.to_thread(self._read, self._directory / name)

    @staticmethod
    def _read(path: Path) -> str | None:
        try:
            # Whatever is there, a pipe that nobody writes to included, opens at once.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnreadableSecret(f"{error.strerror}") from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableSecret("it is no regular file")
            content = os.read(descriptor, MAX_SECRET_BYTES + 1)
        finally:
            os.close(descriptor)
        if len(content) > MAX_SECRET_BYTES:
            raise UnreadableSecret(f"it has more than {MAX_SECRET_BYTES} bytes")
        try:
            value = content.decode("utf-8")
        except UnicodeDecodeError:
            raise UnreadableSecret("it is not UTF-8") from None
        return value.removesuffix("\n").removesuffix("\r") or None


class _FunctionSecrets:
    def __init__(self, read: SecretReader) -> None:
        self._read = read

    async def read(self, name: str, tenant: str) -> str | None:
        return await self._read(name, tenant)


def secret_provider(read: AnyReader) -> AnyReader:
    """Marks ``async (name, tenant) -> value or None`` in a module of actions: workers ask it after their own environment.

    Raises ``Invalid`` (``SECRET_PROVIDER_INVALID``) for a function that is not async.
    """
    candidate: object = read
    if not inspect.iscoroutinefunction(candidate):
        raise Invalid(
            "SECRET_PROVIDER_INVALID",
            f"{getattr(read, '__qualname__', read)!s} cannot provide secrets: it is not an async function.",
            "Declare it as async def read(name, tenant).",
        )
    setattr(read, _MARK, True)
    return read


def providers_in(namespace: Mapping[str, object]) -> list[SecretProvider]:
    """The functions of a module that ``secret_provider`` marked."""
    # Some objects answer every attribute with something true; only our own mark is the value True on a function.
    return [
        _FunctionSecrets(value)
        for value in tuple(namespace.values())
        if is_routine(value) and inspect.iscoroutinefunction(value) and getattr(value, _MARK, False) is True
    ]


@dataclass(frozen=True, slots=True)
class ResolvedInput:
    """An input ready for its action, and the values that must not leave it."""

    value: Any
    secrets: tuple[str, ...]


class SecretResolver:
    """Asks the providers in order; the first that has the name wins."""

    def __init__(self, providers: Sequence[SecretProvider], policy: SecretPolicy | None = None) -> None:
        """Without a ``policy`` every action that takes secrets may have every secret."""
        self._providers = tuple(providers)
        self._policy = policy

    async def resolve(self, value: Any, paths: Iterable[str], tenant: str, action_id: str = "") -> ResolvedInput:
        """Replaces the markers at ``paths`` (JSON pointers into ``value``), which are those the author wrote.

        A marker anywhere else came in with data, and data must not be able to ask for a secret. ``value`` is not changed.
        Raises ``StepFailure`` (``ActionError``): ``SECRET_NOT_FOUND``, ``SECRET_NAME_INVALID`` or ``SECRET_UNREADABLE``, naming
        the secret; ``SECRET_NOT_ALLOWED`` where the policy does not allow the action this secret; and a ``StepFailure`` of a
        provider as it is.
        """
        found: list[str] = []
        use = SecretUse.of(tenant, action_id, value)
        for path in paths:
            segments = names_of(path)
            value = await self._replace(value, segments, path, use, found)
        return ResolvedInput(value, tuple(found))

    async def _replace(self, value: Any, segments: list[str], path: str, use: SecretUse, found: list[str]) -> Any:
        if not segments:
            name = secret_name(value)
            if name is None:
                return value
            secret = await self._read(name, path, use)
            found.append(secret)
            return secret
        head, rest = segments[0], segments[1:]
        if isinstance(value, dict) and head in value:
            return {**value, head: await self._replace(value[head], rest, path, use, found)}
        if isinstance(value, list) and head.isdigit() and int(head) < len(value):
            position = int(head)
            changed = await self._replace(value[position], rest, path, use, found)
            return [*value[:position], changed, *value[position + 1 :]]
        return value

    async def _read(self, name: str, path: str, use: SecretUse) -> str:
        details = {"secret": name, "path": path}
        if not NAME_PATTERN.fullmatch(name):
            raise StepFailure(
                ACTION,
                f"Secret {name[:80]!r} has no valid name: capital letters, digits and underscores, a letter first.",
                code=NAME_INVALID,
                details=details,
            )
        if self._policy is not None:
            self._policy.require(name, use)
        for provider in self._providers:
            secret = await _asked(provider, name, use.tenant, details)
            if secret:
                return secret
        raise StepFailure(
            ACTION,
            f"Secret {name} was not found. Set {VARIABLE_PREFIX}{name} for the workers, or put it in their secrets directory.",
            code=NOT_FOUND,
            details=details,
        )


async def _asked(provider: SecretProvider, name: str, tenant: str, details: dict[str, str]) -> str | None:
    category, timer = ACTION, asyncio.timeout(PROVIDER_SECONDS)
    try:
        async with timer:
            secret: object = await provider.read(name, tenant)
    except StepFailure as failure:
        raise presentable(failure) from None
    # A provider may fail in any way, and repeating the activity would not end.
    except BaseException as error:
        if passes(error):
            raise
        # Its class alone: the text of an error may quote what was read. It has no cause for the same reason.
        reason = str(error) if isinstance(error, UnreadableSecret) else type(error).__name__
        if timer.expired():
            category, reason = TRANSIENT, f"there was no answer within {PROVIDER_SECONDS:g} s"
    else:
        if secret is None or (isinstance(secret, str) and not _UNSTORABLE.search(secret)):
            return secret
        reason = "it is not UTF-8" if isinstance(secret, str) else f"it is {type(secret).__name__}, not text"
    raise StepFailure(
        category,
        f"Secret {name} cannot be read: {reason}. Look at the place where the workers find it.",
        code=UNREADABLE,
        details={**details, "reason": reason},
    )


def secret_name(value: Any) -> str | None:
    """The name in ``{"$secret": NAME}``, or None: an object with any other key is an ordinary object."""
    if isinstance(value, dict) and len(value) == 1:
        name = value.get("$secret")
        return name if isinstance(name, str) and name else None
    return None


def secret_paths(value: Any, at: str = "") -> list[str]:
    """JSON pointers of all markers in a value that is authored throughout, such as a literal input mapping."""
    if secret_name(value) is not None:
        return [at]
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        children = ((segment(key), item) for key, item in value.items())
    elif isinstance(value, list):
        children = enumerate(value)
    return [path for key, item in children for path in secret_paths(item, f"{at}/{key}")]
