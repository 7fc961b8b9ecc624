"""How large a request may be. Who builds one can tell before it is sent."""

from __future__ import annotations

from typing import Final

MAX_PAYLOAD_BYTES: Final = 512 * 1024
"""Longest payload, as canonical JSON in UTF-8: no spaces, no escapes beyond the necessary."""
MAX_JSON_DEPTH: Final = 200
"""Deepest nesting of lists and objects that is accepted."""
MAX_INTEGER_DIGITS: Final = 1000
"""Longest integer that is accepted."""
MAX_CHANGES: Final = 10_000
"""Most changes in one patch."""
MAX_TARGETS: Final = 1000
"""Most runs that one request may cancel or replay."""
