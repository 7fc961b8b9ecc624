"""compose.yaml is one whole valid deployment: every part there, healthy before it is needed, and nothing to configure wrong."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

from engine.contract import IGNORED_VARIABLES, TASK_QUEUE
from engine.devstack.postgres_programs import program
from engine.settings import Settings
from engine.store.database.engine import create_store_engine

REPOSITORY = Path(__file__).parents[3]
TEXT = (REPOSITORY / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

RUN_ONCE = {"temporal-schema", "temporal-namespace", "migrate", "service-login"}
OURS = {"migrate", "worker", "studio"}
SERVICE = "runstudio_service"


def waits_for(name: str) -> dict[str, str]:
    return {other: how["condition"] for other, how in SERVICES[name].get("depends_on", {}).items()}


def test_every_part_is_there() -> None:
    assert set(SERVICES) == {"postgres", "temporal-postgres", "temporal", "temporal-ui", "worker", "studio"} | RUN_ONCE


def test_no_variable_selects_an_engine_or_a_queue() -> None:
    prefixes = [name.rstrip("*") for name in IGNORED_VARIABLES]
    for name, service in SERVICES.items():
        for variable in service.get("environment", {}):
            assert not any(variable.startswith(prefix) for prefix in prefixes), name
            assert not re.search("ENGINE|QUEUE", variable), name
    assert TASK_QUEUE not in TEXT


@pytest.mark.parametrize("name", sorted(OURS))
def test_ours_are_given_only_variables_that_exist(name: str) -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    # Without a value: handed through from the operator's terminal.
    environment = {variable: value for variable, value in SERVICES[name]["environment"].items() if value is not None}
    assert set(environment) <= known
    assert {"DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"} <= set(environment)
    defaults = {variable: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) for variable, value in environment.items()}
    settings = Settings.model_validate(defaults)
    assert settings.temporal_address == "temporal:7233"
    login = "runstudio" if name == "migrate" else SERVICE
    assert settings.required_database_url() == f"postgresql+psycopg://{login}:runstudio@postgres:5432/runstudio"


@pytest.mark.parametrize("name", sorted(set(SERVICES) - RUN_ONCE))
def test_what_stays_up_says_whether_it_is_healthy(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert SERVICES[name].get("restart") == "unless-stopped" or "profiles" in SERVICES[name]


def test_nothing_starts_before_what_it_needs_is_ready() -> None:
    for name in SERVICES:
        for other, condition in waits_for(name).items():
            needed = "service_completed_successfully" if other in RUN_ONCE else "service_healthy"
            assert condition == needed, f"{name} waits for {other}"
    assert waits_for("migrate").keys() == {"postgres"}
    assert waits_for("temporal").keys() == {"temporal-schema"}
    assert waits_for("service-login").keys() == {"migrate"}
    for name in ("worker", "studio"):
        assert waits_for(name).keys() == {"service-login", "temporal-namespace"}


async def test_the_service_logs_in_with_its_own_password_and_changes_no_schema(database_url: str) -> None:
    """What ``service-login`` runs, run on a real Postgres, twice as two ``up`` would."""
    service, url = SERVICES["service-login"], make_url(database_url)
    shell, flags = service["entrypoint"]
    server = {"PGHOST": url.query["host"], "PGDATABASE": url.database, "PGUSER": url.username}
    programs = Path(program("psql")).parent
    given = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "SERVICE_PASSWORD": 'it\'s "secret" :x'}
    assert server.keys() | {"PGPASSWORD", "SERVICE_PASSWORD"} == service["environment"].keys()
    owner = create_store_engine(database_url)
    try:
        for _ in range(2):
            [command] = (part.replace("$$", "$") for part in service["command"])
            done = await asyncio.create_subprocess_exec(shell, flags, command, env={**server, **given})
            assert await done.wait() == 0
        async with owner.begin() as connection:
            role = text("SELECT rolcanlogin, rolpassword IS NOT NULL FROM pg_authid WHERE rolname = :role")
            assert (await connection.execute(role, {"role": SERVICE})).one() == (True, True)
        store = create_store_engine(url.set(username=SERVICE).render_as_string(False))
        async with store.begin() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM workflow_runs"))).scalar_one() == 0
            with pytest.raises(ProgrammingError, match="permission denied"):
                await connection.execute(text("CREATE TABLE mine (n int)"))
        await store.dispose()
    finally:
        async with owner.begin() as connection:
            await connection.execute(text(f"ALTER ROLE {SERVICE} NOLOGIN PASSWORD NULL"))
        await owner.dispose()


def test_temporal_has_a_database_of_its_own_and_both_persist() -> None:
    temporal = SERVICES["temporal"]["environment"]
    assert temporal["POSTGRES_SEEDS"] == "temporal-postgres" == SERVICES["temporal-schema"]["environment"]["SQL_HOST"]
    for name in ("postgres", "temporal-postgres"):
        (mount,) = SERVICES[name]["volumes"]
        volume, _, path = mount.partition(":")
        assert volume in COMPOSE["volumes"]
        assert path == "/var/lib/postgresql"


def test_the_worker_scales_and_is_given_time_to_end() -> None:
    worker = SERVICES["worker"]
    assert not {"ports", "container_name"} & set(worker)
    assert worker["stop_grace_period"] == "30s"
    assert worker["environment"]["RUNSTUDIO_HEALTH_PORT"] in " ".join(worker["healthcheck"]["test"])


def test_the_studio_is_run_on_demand_in_a_terminal() -> None:
    assert SERVICES["studio"]["profiles"] == ["studio"]
    assert SERVICES["studio"]["tty"]
    assert SERVICES["studio"]["stdin_open"]
    assert SERVICES["studio"]["environment"]["TERM"] is None


def test_nothing_is_open_to_the_network() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 1
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_images_are_pinned_and_ours_is_built_once() -> None:
    for name, service in SERVICES.items():
        if name not in OURS:
            assert re.fullmatch(r"[\w/-]+:\d[\d.]*", service["image"]), name
    assert [name for name in SERVICES if "build" in SERVICES[name]] == ["migrate"]
    assert {SERVICES[name]["image"] for name in OURS} == {"runstudio"}


def test_eager_execution_is_on_as_on_the_development_server() -> None:
    (config,) = SERVICES["temporal"]["configs"]
    assert config["target"] == SERVICES["temporal"]["environment"]["DYNAMIC_CONFIG_FILE_PATH"]
    content = yaml.safe_load(COMPOSE["configs"][config["source"]]["content"])
    assert content == {"system.enableActivityEagerExecution": [{"value": True}]}


def test_the_image_is_built_from_what_the_program_needs() -> None:
    kept = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"engine", "migrations", "runstudio_tui", "pyproject.toml", "requirements.lock"} <= kept
    for name in kept:
        assert (REPOSITORY / name).exists(), name
    assert "--constraint /tmp/source/requirements.lock" in (REPOSITORY / "Dockerfile").read_text()
