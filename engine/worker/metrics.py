"""Metrics of a worker, in Prometheus's text form: ours, and those the Temporal SDK counts."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

from engine.worker.parts import Parts

REGISTRY: Final = CollectorRegistry()
RECONCILED: Final = Counter("runstudio_reconciled", "What the reconciler did.", ["action"], registry=REGISTRY)
PART_READY: Final = Gauge("runstudio_part_ready", "1 while the part works.", ["part"], registry=REGISTRY)
PART_SUCCESS: Final = Gauge(
    "runstudio_part_last_success_timestamp_seconds", "When the part last succeeded.", ["part"], registry=REGISTRY
)

SCRAPE_SECONDS: Final = 2.0
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class SdkRuntime:
    """The SDK's runtime of this process, and where on this machine it shows its metrics."""

    runtime: Runtime
    metrics_port: int


@cache
def sdk_runtime() -> SdkRuntime:
    """The one runtime of a worker process: it counts, and logs through Python's logging instead of printing."""
    core = LogForwardingConfig(logger=logging.getLogger("temporalio.core"), append_log_fields_to_message=False)
    log = LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=core)
    for remaining in reversed(range(_TRIES)):
        port = _free_port()
        metrics = PrometheusConfig(bind_address=f"127.0.0.1:{port}")
        try:
            return SdkRuntime(Runtime(telemetry=TelemetryConfig(logging=log, metrics=metrics)), port)
        except (RuntimeError, ValueError):
            # Somebody took the port between the question and the answer.
            if not remaining:
                raise
    raise AssertionError("unreachable")


async def exposition(parts: Parts, sdk_port: int) -> bytes:
    """Everything a scrape gets. Without the SDK's part when that does not answer."""
    for report in parts.reports:
        PART_READY.labels(report.name).set(1 if report.ready else 0)
        if report.last_success is not None:
            PART_SUCCESS.labels(report.name).set(report.last_success.timestamp())
    ours: bytes = generate_latest(REGISTRY)
    return ours + await _sdk_metrics(sdk_port)


async def _sdk_metrics(port: int) -> bytes:
    try:
        async with asyncio.timeout(SCRAPE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
                answer = await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
    head, _, body = answer.partition(b"\r\n\r\n")
    return body if head.split(b" ")[1:2] == [b"200"] else b""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
