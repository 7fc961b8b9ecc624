"""The shop's partners on one local HTTP server: carrier, payment provider, warehouse, and the buyers' price list.

Everything in it is deterministic: prices come from the product's name, and every few requests one is refused as busy, so that
retries are seen. ``python -m runstudio_examples.shop_actions.carrier_server``, or ``with carrier_server(): ...`` in a program.
"""

from __future__ import annotations

import argparse
import json
import re
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from runstudio_examples.partners import CARRIER_TOKEN, HOST, PAYMENTS_KEY, PORT

BUSY_EVERY: Final = {"prices": 7, "bookings": 3, "charges": 4}
"""Every n-th request of a kind is answered with 503."""
COUNT_SECONDS: Final = 1.2
"""How long a person needs for one shelf."""
KNOWN_ORDERS: Final = range(4_500_001, 4_500_011)

_SKU = re.compile(r"SKU-\d{1,4}")

Answer = tuple[int, Any]


class Partners:
    """What the partners remember."""

    def __init__(self, count_seconds: float) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._made: dict[tuple[str, str], Answer] = {}
        self._count_seconds = count_seconds

    def answer(self, method: str, target: str, headers: dict[str, str], body: Any) -> Answer:
        """Status and JSON for a request."""
        parts = urlsplit(target)
        names = parts.path.strip("/").split("/")
        kind = names[0]
        routes: dict[tuple[str, str, int], Callable[[], Answer]] = {
            ("GET", "prices", 2): lambda: self._price(names[1]),
            ("GET", "shelves", 2): lambda: self._shelf(names[1]),
            ("GET", "purchase-orders", 2): lambda: self._purchase_order(names[1]),
            ("GET", "warehouses", 3): lambda: self._levels(parse_qs(parts.query)),
            ("POST", "charges", 1): lambda: self._once(kind, headers, PAYMENTS_KEY, lambda: self._charge(body)),
            ("POST", "bookings", 1): lambda: self._once(kind, headers, CARRIER_TOKEN, lambda: self._booking(body)),
        }
        route = routes.get((method, kind, len(names)))
        if route is None:
            return _refusal(404, "NOT_FOUND", f"There is nothing at {parts.path}.")
        with self._lock:
            self._requests[kind] += 1
            busy = self._requests[kind] % BUSY_EVERY.get(kind, self._requests[kind] + 1) == 0
        return _refusal(503, "BUSY", f"The {kind} service is busy. Try again.") if busy else route()

    def _price(self, sku: str) -> Answer:
        if not _SKU.fullmatch(sku):
            return _refusal(404, "SKU_UNKNOWN", f"There is no price for {sku}.")
        return 200, {"sku": sku, "price": _price_of(sku)}

    def _shelf(self, sku: str) -> Answer:
        time.sleep(self._count_seconds)
        return 200, {"sku": sku, "counted": _level_of(sku)}

    def _purchase_order(self, number: str) -> Answer:
        if not number.isdigit() or int(number) not in KNOWN_ORDERS:
            return _refusal(404, "PO_NOT_FOUND", f"There is no purchase order {number[:40]}.")
        return 200, {"number": number, "supplier": "Nordwind"}

    def _levels(self, query: dict[str, list[str]]) -> Answer:
        count = min(int(query.get("count", ["20"])[0]), 1000)
        skus = [f"SKU-{number}" for number in range(1, count + 1)]
        return 200, {"levels": [{"sku": sku, "quantity": _level_of(sku)} for sku in skus]}

    def _once(self, kind: str, headers: dict[str, str], key: str, make: Callable[[], Answer]) -> Answer:
        """What ``make`` answers, the same again for the same idempotency key."""
        if headers.get("authorization") != f"Bearer {key}":
            return _refusal(401, "UNAUTHORIZED", "The access key is wrong.")
        name = kind, headers.get("idempotency-key", "")
        with self._lock:
            if name not in self._made or not name[1]:
                self._made[name] = make()
            return self._made[name]

    def _charge(self, body: Any) -> Answer:
        if body["card_token"] == "tok_declined":  # noqa: S105 - a test card that is always declined
            return _refusal(402, "CARD_DECLINED", "The bank declined the card.")
        return 201, {"charge_id": f"ch_{len(self._made) + 1:05d}", "amount": round(body["amount"], 2)}

    def _booking(self, body: Any) -> Answer:
        return 201, {"booking_id": f"bk_{len(self._made) + 1:05d}", "order_id": body["order_id"]}


def _price_of(sku: str) -> float:
    return 5 + zlib.crc32(sku.encode()) % 9_000 / 100


def _level_of(sku: str) -> int:
    return zlib.crc32(sku[::-1].encode()) % 400


def _refusal(status: int, code: str, message: str) -> Answer:
    return status, {"code": code, "message": message}


class _Handler(BaseHTTPRequestHandler):
    partners: Partners
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(None)

    def do_POST(self) -> None:
        self._reply(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _reply(self, body: Any) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            status, answer = self.partners.answer(self.command, self.path, headers, body)
        except (KeyError, TypeError, ValueError) as error:
            status, answer = _refusal(400, "BAD_REQUEST", f"The request is not understood: {error!r}.")
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the studio owns the terminal."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def carrier_server(port: int = PORT, *, count_seconds: float = COUNT_SECONDS) -> Iterator[str]:
    """Serves in a thread until the block ends; gives the URL. Port 0 takes a free one. Raises ``OSError`` when it is taken."""
    server = _server(port, count_seconds)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _server(port: int, count_seconds: float) -> _Server:
    handler = type("Handler", (_Handler,), {"partners": Partners(count_seconds)})
    return _Server((HOST, port), handler)


def main() -> None:
    """Serves until it is interrupted."""
    parser = argparse.ArgumentParser(description="The partners of the example shop.")
    parser.add_argument("--port", type=int, default=PORT)
    arguments = parser.parse_args()
    with _server(arguments.port, COUNT_SECONDS) as server:
        print(f"http://{HOST}:{server.server_address[1]}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped", flush=True)


if __name__ == "__main__":
    main()
