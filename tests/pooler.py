"""A real pgbouncer in transaction mode before a test's Postgres, with the settings it comes with."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import make_url

from engine.devstack.postgres_programs import account, give
from engine.devstack.processes import free_port
from tests.not_run import needed

Pooled: TypeAlias = Callable[[str], str]
"""From the URL of any database of the server, for any login, to the one that leads through the pooler."""


@contextmanager
def pooler(server_url: str, directory: Path) -> Iterator[Pooled]:
    """A pooler before the whole server that ``server_url`` names, with a login that may read all passwords.

    ``directory``: a new one, where it has its files.
    """
    [program] = needed("pgbouncer")
    server, port = make_url(server_url), free_port()
    directory.mkdir()
    logins, config = directory / "logins.txt", directory / "pgbouncer.ini"
    logins.write_text(f'"{server.username}" ""\n')
    config.write_text(
        f"[databases]\n* = host={server.query['host']} auth_user={server.username}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {logins}\n"
        "pool_mode = transaction\n"
    )
    user = account()
    give(directory, user)
    command = [program, "-q", *(() if user is None else ("-u", user)), str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _wait_until_it_listens(port)
        yield lambda url: _through(port, url)
    finally:
        process.terminate()
        process.wait(60)


def _through(port: int, url: str) -> str:
    behind = make_url(url)
    return f"postgresql://{behind.username}@127.0.0.1:{port}/{behind.database}"


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
