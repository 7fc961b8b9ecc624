"""What redaction leaves in the place of a masked value."""

from __future__ import annotations

from typing import Final

PLACEHOLDER: Final = "[REDACTED]"
"""The only thing that ever stands in a masked value's place."""
