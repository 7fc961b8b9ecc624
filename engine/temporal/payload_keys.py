"""The keys with which payloads are encrypted before they reach Temporal, from a file that is mounted as a secret."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Protocol

from engine.errors import Invalid
from engine.settings import Settings
from engine.store.trace.payloads import ForgedPayload

VARIABLE: Final = "RUNSTUDIO_PAYLOAD_KEYS"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Cipher(Protocol):
    """AES-256-GCM with one key."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Ciphertext and tag."""
        ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Raises ``ForgedPayload`` for what was not encrypted with this key, nonce and associated data."""
        ...


class PayloadKeys:
    """The first key encrypts, every one decrypts: a new key is put in front, and an old one goes when no run needs it."""

    def __init__(self, ciphers: Mapping[str, Cipher]) -> None:
        self._ciphers = dict(ciphers)

    @classmethod
    def read(cls, file: Path) -> PayloadKeys:
        """Keys of a file with a line per key: its name, a space, and 32 random bytes in base64.

        Raises ``Invalid`` (``SETTING_INVALID``). No part of the file is repeated.
        """
        ciphers: dict[str, Cipher] = {}
        try:
            lines = file.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeError) as error:
            raise _refused(f"the file cannot be read ({type(error).__name__})") from None
        for number, line in enumerate(lines, start=1):
            if line.strip():
                name, cipher = _key(number, line)
                if name in ciphers:
                    raise _refused(f"line {number} has the name of a line before it")
                ciphers[name] = cipher
        if not ciphers:
            raise _refused("the file holds no key")
        return cls(ciphers)

    def encrypt(self, data: bytes, bound_to: bytes) -> tuple[str, bytes]:
        """Name of the key, and nonce with ciphertext."""
        name, cipher = next(iter(self._ciphers.items()))
        nonce = os.urandom(NONCE_BYTES)
        return name, nonce + cipher.encrypt(nonce, data, bound_to)

    def decrypt(self, name: str, data: bytes, bound_to: bytes) -> bytes:
        """The inverse. Raises ``LookupError`` for a key that is not in the file, ``ForgedPayload`` for what was changed."""
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise LookupError(f"The payload was encrypted with the key {name[:64]!r}, which {VARIABLE} does not have.")
        return cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], bound_to)


@cache
def keys_of(file: Path) -> PayloadKeys:
    """``PayloadKeys.read``, once per file: a process keeps its keys until it ends."""
    return PayloadKeys.read(file)


def keys_of_process() -> PayloadKeys | None:
    """The keys of the environment's settings; None when payloads are not encrypted. Raises ``Invalid``."""
    file = Settings.load().payload_keys_file
    return None if file is None else keys_of(file)


def _key(number: int, line: str) -> tuple[str, Cipher]:
    name, _, encoded = line.strip().partition(" ")
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        key = b""
    if not _NAME.fullmatch(name) or len(key) != KEY_BYTES:
        raise _refused(f"line {number} is no name, a space, and {KEY_BYTES} bytes in base64")
    return name, _cipher(key)


@dataclass(frozen=True, slots=True)
class _Aes:
    inner: Cipher
    refusal: type[Exception]
    """What the library raises for what was changed."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        return self.inner.encrypt(nonce, data, associated_data)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        try:
            return self.inner.decrypt(nonce, data, associated_data)
        except (self.refusal, ValueError):
            # The library refuses what is too short in another way.
            raise ForgedPayload("A payload was not encrypted with our key for this run, or was changed.") from None


def _cipher(key: bytes) -> Cipher:
    try:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 # an extra, for who encrypts
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 # as above
    except ImportError:
        raise _refused("the package cryptography is not installed; install runstudio[encryption]") from None
    return _Aes(AESGCM(key), InvalidTag)


def _refused(reason: str) -> Invalid:
    return Invalid(
        "SETTING_INVALID", f"{VARIABLE} cannot be used: {reason}.", "docs/deployment.md tells how such a file is made."
    )
