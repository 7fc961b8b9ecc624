"""Where the shop's partners are, and the keys they know the shop by. They are served by ``shop_actions/carrier_server.py``."""

from __future__ import annotations

from typing import Final

HOST: Final = "127.0.0.1"
PORT: Final = 8801

CARRIER_TOKEN: Final = "carrier-test-7f3a9c"  # noqa: S105 - known to the test server only
PAYMENTS_KEY: Final = "pay-test-51d20e"
