"""Stands in for a worker's process: serves ``/readyz``, and ends on SIGTERM. The stack knows no more of a worker than that."""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Health(BaseHTTPRequestHandler):
    """Answers as a worker whose parts all work."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        print(format % args)


print("database", os.environ["DATABASE_URL"], "temporal", os.environ["TEMPORAL_ADDRESS"], flush=True)
if "refuse" in sys.argv:
    sys.exit("the worker refuses to start")
HTTPServer((os.environ["RUNSTUDIO_HEALTH_HOST"], int(os.environ["RUNSTUDIO_HEALTH_PORT"])), Health).serve_forever()
