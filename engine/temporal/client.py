"""The one way a process connects to Temporal.

Address, namespace, TLS and API key come through ``temporalio.envconfig``, so that everything that configures Temporal's own
command line configures us, and Temporal Cloud needs nothing of ours.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile
from temporalio.runtime import Runtime
from temporalio.service import RetryConfig

from engine.errors import Invalid, Unavailable
from engine.settings import DEFAULT_NAMESPACE, Settings
from engine.temporal.answering import is_silent
from engine.wording import clause

CONNECT_TIMEOUT: Final = timedelta(seconds=5)


def connect_config(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of ``Client.connect``: ``target_host``, ``namespace``, and ``tls``, ``api_key``, ``rpc_metadata`` if set.

    Raises ``Invalid``: ``TEMPORAL_CONFIG_INVALID`` when a variable or the configuration file cannot be understood,
    ``TEMPORAL_ADDRESS_MISSING`` when no address is known.
    """
    # An empty variable counts as unset, as everywhere in our settings. (The SDK would read an empty certificate path.)
    environment = {name: value for name, value in os.environ.items() if value}
    try:
        profile = ClientConfigProfile.load(override_env_vars=environment)
        config: dict[str, Any] = dict(profile.to_client_connect_config())
    # The SDK's own error class is not exported; it is a RuntimeError. OSError: a certificate file that cannot be read.
    except (RuntimeError, OSError, ValueError) as error:
        raise _unusable(error) from error
    if settings.temporal_address is not None:
        config["target_host"] = settings.temporal_address
    config["namespace"] = settings.temporal_namespace or config.get("namespace") or DEFAULT_NAMESPACE
    if not config.get("target_host"):
        raise Invalid(
            "TEMPORAL_ADDRESS_MISSING",
            "TEMPORAL_ADDRESS is not set, so it is unknown which Temporal to use.",
            "Set TEMPORAL_ADDRESS, or run `runstudio dev up` for a local stack.",
        )
    return config


def configured_namespace(settings: Settings) -> str | None:
    """The namespace that ``connect_temporal`` would use; None when the configuration names no server."""
    try:
        namespace: str = connect_config(settings)["namespace"]
    except Invalid:
        return None
    return namespace


async def connect_temporal(
    settings: Settings,
    *,
    identity: str | None = None,
    runtime: Runtime | None = None,
    lazy: bool = False,
    retry: RetryConfig | None = None,
) -> Client:
    """A client for this process; make one and share it.

    ``lazy`` connects on the first call instead, for programs that must start while Temporal is away. ``retry`` says how long
    a call is repeated before it fails; the SDK's default is about ten seconds.
    Raises ``Invalid`` for a configuration that cannot work, ``Unavailable`` (``TEMPORAL_UNAVAILABLE``) when nobody answers.
    """
    config = connect_config(settings)
    if not lazy and await _is_silent(config):
        raise Unavailable(
            "TEMPORAL_UNAVAILABLE",
            f"Temporal at {config['target_host']} (namespace {config['namespace']}) takes connections and does not answer.",
            "Check that the server, and what is between, is not overloaded or standing still.",
        )
    try:
        return await Client.connect(
            **config,
            identity=identity,
            runtime=runtime,
            lazy=lazy,
            retry_config=retry,
            connect_timeout=CONNECT_TIMEOUT,
        )
    except ValueError as error:
        # What only the SDK looks at: an address that is none, a certificate without its key.
        raise _unusable(error) from error
    except RuntimeError as error:
        raise Unavailable(
            "TEMPORAL_UNAVAILABLE",
            f"Temporal at {config['target_host']} (namespace {config['namespace']}) does not answer: {clause(str(error))}.",
            "Check TEMPORAL_ADDRESS, TLS and the API key, and that the server is up.",
        ) from error


async def _is_silent(config: dict[str, Any]) -> bool:
    tls = config.get("tls")
    return await is_silent(
        config["target_host"],
        tls=bool(tls) or (tls is None and bool(config.get("api_key"))),
        server_name=getattr(tls, "domain", None),
        seconds=CONNECT_TIMEOUT.total_seconds(),
    )


def _unusable(error: Exception) -> Invalid:
    return Invalid(
        "TEMPORAL_CONFIG_INVALID",
        f"The Temporal client configuration cannot be used: {clause(str(error))}.",
        "Correct the TEMPORAL_* variables or the file that TEMPORAL_CONFIG_FILE names.",
    )
