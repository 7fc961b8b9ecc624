"""What tests let the backend raise: the engine's own codes and sentences."""

from __future__ import annotations

from engine.errors import Forbidden, Unavailable


def postgres_away() -> Unavailable:
    """As ``engine.store.database.engine.as_unavailable`` says it."""
    return Unavailable(
        "POSTGRES_UNREACHABLE",
        "Postgres cannot be reached: connection refused.",
        "Check DATABASE_URL and that the server runs; `runstudio doctor` shows both.",
    )


def temporal_away() -> Unavailable:
    """As ``engine.temporal.connection.unavailable`` says it of a cancel."""
    return Unavailable(
        "TEMPORAL_UNAVAILABLE",
        "Temporal could not cancel the run, it does not answer: timed out.",
        "Try again; `runstudio doctor` shows whether it can be reached.",
    )


def level_taken_away() -> Forbidden:
    """As ``engine.operations.access.members.too_low`` says it of a read."""
    return Forbidden(
        "LEVEL_TOO_LOW",
        "This needs the level read; ada has none in the tenant.",
        "Ask an admin of the tenant: runstudio members set ada read; or choose another one with --tenant.",
    )
