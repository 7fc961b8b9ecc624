"""JSON pointers (RFC 6901): ``/lines/0/a~1b`` leads to the key ``a/b`` of the first line."""

from __future__ import annotations


def segment(name: int | str) -> str:
    """A key or an index as one segment of a pointer, without the slash."""
    return str(name).replace("~", "~0").replace("/", "~1")


def pointer_of(*names: int | str) -> str:
    """The pointer that leads along keys and indexes; empty for none: the whole document."""
    return "".join(f"/{segment(name)}" for name in names)


def names_of(pointer: str) -> list[str]:
    """The keys and indexes along a pointer, as text. What stands before the first slash is not looked at."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
