"""The servers of a benchmark: a Postgres with its own durability settings and a Temporal with its history in a file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from engine.devstack.fetching import ProgressLine
from engine.devstack.postgres import EmbeddedPostgres
from engine.devstack.temporal_cli import obtain_cli
from engine.devstack.temporal_server import TemporalServer
from engine.ids import new_id
from engine.settings import Settings
from engine.store.database.schema_version import migrate

KEPT_VARIABLES = {"RUNSTUDIO_TEMPORAL_CLI"}
_TEMPLATE = "migrated_template"


@dataclass(frozen=True, slots=True)
class Servers:
    """Running servers, used by everything of one run of the benchmark."""

    postgres: EmbeddedPostgres
    temporal: TemporalServer

    def database(self) -> str:
        """URL of a fresh database with our schema."""
        return self.postgres.create_database(_name("bench"), template=_TEMPLATE)

    def empty_database(self) -> str:
        """URL of a fresh database without any schema."""
        return self.postgres.create_database(_name("plain"))

    def drop(self, url: str) -> None:
        """Drop a database made here."""
        self.postgres.drop_database(str(make_url(url).database))

    def settings(self) -> dict[str, str]:
        """What a reader must know to judge the figures."""
        with psycopg.connect(libpq(self.postgres.url())) as connection:
            rows = connection.execute(
                "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name",
                [["server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers"]],
            ).fetchall()
        told = {f"Postgres {name}": value for name, value in rows}
        return {**told, "Temporal": "development server, history in a SQLite file"}


def libpq(url: str) -> str:
    """The same URL without SQLAlchemy's driver."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _name(prefix: str) -> str:
    return f"{prefix}_{new_id().replace('-', '')}"


def use_nobodys_environment() -> None:
    """The environment of whoever measures names no server here: a benchmark must never fill somebody's database."""
    for name in list(os.environ):
        if name.startswith(("TEMPORAL_", "RUNSTUDIO_", "DATABASE_URL", "PG")) and name not in KEPT_VARIABLES:
            del os.environ[name]
    os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull


@contextmanager
def started() -> Iterator[Servers]:
    """Servers on data of their own, for as long as the block lasts."""
    directory = Path(tempfile.mkdtemp(prefix="rs-bench-"))
    progress = ProgressLine()
    program = obtain_cli(Settings.load(), progress).path
    progress.close()
    postgres = EmbeddedPostgres(directory / "postgres")
    temporal = TemporalServer(program, directory / "temporal.db", log=directory / "temporal.log")
    try:
        postgres.start()
        migrate(postgres.create_database(_TEMPLATE))
        temporal.start()
        yield Servers(postgres, temporal)
    finally:
        temporal.stop()
        postgres.stop()
        shutil.rmtree(directory, ignore_errors=True)
