"""Every environment variable the engine reads, in one place, each with its meaning.

Nothing here selects an engine or a task queue: those are constants of ``engine.contract``. Isolation between environments
is the database and Temporal's address and namespace, and nothing else.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from engine.errors import Invalid

DEFAULT_TENANT: Final = "00000000-0000-0000-0000-000000000001"
"""The tenant of everything that names none."""

DEFAULT_NAMESPACE: Final = "default"
"""Temporal's own default namespace; it exists on every development server."""

CACHE_MEGABYTES: Final = 512
"""What the runs that a worker keeps may take of its memory, where nothing else is said."""

DATABASE_DRIVER: Final = "postgresql+psycopg"


def home_dir() -> Path:
    """The user's home; an empty or missing HOME, as in a bare container, is looked up in the account."""
    return Path(os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/runstudio``, else ``~/.local/share/runstudio``."""
    return _base_directory("XDG_DATA_HOME", ".local/share") / "runstudio"


def cache_dir() -> Path:
    """Where downloaded and built programs are kept: ``$XDG_CACHE_HOME/runstudio``, else ``~/.cache/runstudio``."""
    return _base_directory("XDG_CACHE_HOME", ".cache") / "runstudio"


def _base_directory(variable: str, fallback: str) -> Path:
    # The XDG specification says a relative value is to be ignored.
    value = os.environ.get(variable, "")
    return Path(value) if Path(value).is_absolute() else home_dir() / fallback


class Settings(BaseSettings):
    """Settings of one process, read from the environment; an argument wins over the variable of the same meaning.

    Use ``Settings.load()`` at a program's start: it turns a wrong value into an ``EngineError`` that names the variable.
    """

    model_config = SettingsConfigDict(
        # With case ignored, the field names would be variables too, and an unrelated LOG_LEVEL would change us.
        case_sensitive=True,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        str_strip_whitespace=True,
    )

    database_url: str | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="Postgres of the engine, as `postgresql://user@host/database`. Unset: only the development stack"
        " works, with its own Postgres in the data directory.",
    )
    direct_database_url: str | None = Field(
        default=None,
        validation_alias="RUNSTUDIO_DIRECT_DATABASE_URL",
        description="The same database past the connection pooler that DATABASE_URL names, for `runstudio migrate` and LISTEN."
        " Unset: DATABASE_URL.",
    )
    temporal_address: str | None = Field(
        default=None,
        validation_alias="TEMPORAL_ADDRESS",
        description="Temporal frontend, as `host:port`. Unset: the address of the Temporal configuration file, else"
        " only the development stack works, with its own server. TLS, API key and request headers come from"
        " TEMPORAL_TLS*, TEMPORAL_API_KEY, TEMPORAL_GRPC_META_*, TEMPORAL_PROFILE and TEMPORAL_CONFIG_FILE, which"
        " Temporal's own tools read too.",
    )
    temporal_namespace: str | None = Field(
        default=None,
        validation_alias="TEMPORAL_NAMESPACE",
        description="Temporal namespace. Unset: the one of the Temporal configuration file, else `default`.",
    )
    tenant: str = Field(
        default=DEFAULT_TENANT,
        validation_alias="RUNSTUDIO_TENANT",
        description="Id of the tenant whose rows are read and written, one of those you are a member of."
        " `--tenant` wins over it.",
    )
    data_dir: Path = Field(
        default_factory=default_data_dir,
        validation_alias="RUNSTUDIO_DATA_DIR",
        description="Data, logs and state of the development stack.",
    )
    temporal_cli: Path | None = Field(
        default=None,
        validation_alias="RUNSTUDIO_TEMPORAL_CLI",
        description="A `temporal` program for the development stack. Unset: searched for, see docs/development.md.",
    )
    action_modules: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        validation_alias="RUNSTUDIO_ACTIONS",
        description="Python modules with your own actions, separated by commas, beside those of `--actions`. Installed,"
        " or in PYTHONPATH.",
    )
    secrets_dir: Path | None = Field(
        default=None,
        validation_alias="RUNSTUDIO_SECRETS_DIR",
        description="Directory with one file per secret, named as the secret. Asked after RUNSTUDIO_SECRET_<NAME>.",
    )
    secret_policy_file: Path | None = Field(
        default=None,
        validation_alias="RUNSTUDIO_SECRET_POLICY",
        description="JSON file that says which tenant, action and host may use which secret. Unset: every action that takes"
        " secrets may use all of them.",
    )
    payload_keys_file: Path | None = Field(
        default=None,
        validation_alias="RUNSTUDIO_PAYLOAD_KEYS",
        description="File with the keys that encrypt what Temporal stores; for every process. Unset: it is not encrypted.",
    )
    http_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        validation_alias="RUNSTUDIO_HTTP_ALLOWED_HOSTS",
        description="Hosts the action `http.request` may call, separated by commas, and addresses or networks they may have"
        " besides those of the internet. Empty: none.",
    )
    http_proxy: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+/?$",
        validation_alias="RUNSTUDIO_HTTP_PROXY",
        description="Proxy that all calls of `http.request` go through, as `http://proxy.internal:3128`. It looks names up"
        " itself, so it has to keep calls out of your own network.",
    )
    http_ca_file: Path | None = Field(
        default=None,
        validation_alias="RUNSTUDIO_HTTP_CA_FILE",
        description="PEM file with certificates of authorities that `http.request` trusts besides the public ones.",
    )
    alert_commands_dir: Path | None = Field(
        default=None,
        validation_alias="RUNSTUDIO_ALERT_COMMANDS",
        description="Directory of the programs that an alert may run, each by its name. Unset: none.",
    )
    health_host: str = Field(
        default="127.0.0.1",
        validation_alias="RUNSTUDIO_HEALTH_HOST",
        description="Address a worker's health server listens on; `0.0.0.0` in a container.",
    )
    health_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        validation_alias="RUNSTUDIO_HEALTH_PORT",
        description="Port of a worker's health server. 0: any free port, named in the log.",
    )
    cache_megabytes: int = Field(
        default=CACHE_MEGABYTES,
        ge=10,
        validation_alias="RUNSTUDIO_CACHE_MB",
        description="Memory, in MB, for the runs a worker keeps between their steps: ten runs per MB. Others are read again"
        " when they move.",
    )
    memory_megabytes: int | None = Field(
        default=None,
        ge=256,
        validation_alias="RUNSTUDIO_MEMORY_MB",
        description="Memory, in MB, above which a worker begins no action: it is tried again later, or by another worker, and"
        " the log says so. More than a worker needs with RUNSTUDIO_CACHE_MB. Unset: no ceiling.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        validation_alias="RUNSTUDIO_LOG_LEVEL",
        description="Least severe log line a worker writes.",
    )

    @field_validator("action_modules", "http_allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _with_driver(cls, value: str | None) -> str | None:
        """Accepts the forms other tools print and always gives the one SQLAlchemy needs."""
        if value is None:
            return None
        scheme, separator, rest = value.partition("://")
        if not separator or scheme not in {"postgres", "postgresql", DATABASE_DRIVER}:
            raise ValueError("must start with postgresql://")
        return f"{DATABASE_DRIVER}://{rest}"

    @field_validator("tenant")
    @classmethod
    def _id(cls, value: str) -> str:
        return str(UUID(value))

    @field_validator(
        "data_dir",
        "temporal_cli",
        "secrets_dir",
        "secret_policy_file",
        "payload_keys_file",
        "http_ca_file",
        "alert_commands_dir",
    )
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Settings from the environment, with ``overrides`` by field name.

        Raises ``Invalid`` (``SETTING_INVALID``) naming each wrong variable. The value is not repeated: it may hold a password.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
            raise Invalid(
                "SETTING_INVALID",
                f"The environment has a wrong value: {'; '.join(problems)}.",
                "Correct or unset the variable; docs/development.md lists them all.",
            ) from None

    def required_database_url(self) -> str:
        """The database URL. Raises ``Invalid`` (``DATABASE_URL_MISSING``) when there is none."""
        if self.database_url is None:
            raise Invalid(
                "DATABASE_URL_MISSING",
                "DATABASE_URL is not set, so it is unknown which Postgres to use.",
                "Set DATABASE_URL, or run `runstudio dev up` for a local stack.",
            )
        return self.database_url

    @property
    def session_database_url(self) -> str:
        """The database for what needs a session of its own: LISTEN and migrations. Raises as ``required_database_url``."""
        return self.direct_database_url or self.required_database_url()
