"""A real pgbouncer in transaction mode before a test's Postgres, with the settings it comes with."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from engine.devstack.postgres_programs import account, give
from engine.devstack.processes import free_port
from tests.not_run import needed

SERVER_SESSIONS: Final = 5
"""Fewer than a worker has connections, so that transactions of one connection find themselves in many sessions."""


@contextmanager
def pooler(database_url: str) -> Iterator[str]:
    """URL of the same database through the pooler."""
    [program] = needed("pgbouncer")
    behind, port = make_url(database_url), free_port()
    with tempfile.TemporaryDirectory(prefix="rs-pooler-") as directory:
        config = Path(directory, "pgbouncer.ini")
        config.write_text(
            f"[databases]\n{behind.database} = host={behind.query['host']} user={behind.username}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {SERVER_SESSIONS}\n"
        )
        user = account()
        give(Path(directory), user)
        command = [program, "-q", *(() if user is None else ("-u", user)), str(config)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            _wait_until_it_listens(port)
            yield f"postgresql://{behind.username}@127.0.0.1:{port}/{behind.database}"
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 240
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
