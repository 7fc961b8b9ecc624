"""How large a request may be. Who builds one can tell before it is sent."""

from __future__ import annotations

from typing import Final

MAX_PAYLOAD_BYTES: Final = 512 * 1024
"""Longest payload, as canonical JSON in UTF-8: no spaces, no escapes beyond the necessary."""
MAX_VALUE_BYTES: Final = 2 * 1024 * 1024
"""Largest input or output of an action, as JSON."""
MAX_JSON_DEPTH: Final = 200
"""Deepest nesting of lists and objects that is accepted; in a definition
32 nested blocks with their mappings need half of it."""
MAX_INTEGER_DIGITS: Final = 1000
"""Longest integer that is accepted."""
MAX_CHANGES: Final = 10_000
"""Most changes in one patch."""
MAX_TARGETS: Final = 1000
"""Most runs that one request may cancel or replay."""
MAX_KEY_BYTES: Final = 1000
"""Longest key or id that is given from outside, in UTF-8: an entry of a Postgres index holds about 2,700 bytes in all."""
MAX_VERSION: Final = 2**31 - 1
"""Largest version of a workflow or an action."""
MAX_NAME_CHARACTERS: Final = 200
"""Longest name of an event, workflow, schema, task type or action: at most 800 bytes, beside a key in the same entry."""

NOT_IN_AN_ID: Final = r"\s\x00-\x1f\x7f\ufffd"
"""What no workflow's id has, as a class of a regular expression: white space, controls, and what stands for no character."""


def utf8_bytes(text: str) -> int:
    """Bytes of ``text`` in UTF-8, which is what indexes and Temporal limit. Half of a surrogate pair counts as three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
