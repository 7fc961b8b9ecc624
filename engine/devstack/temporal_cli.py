"""Finds Temporal's command line program, which contains the development server, or obtains it once.

In this order: ``RUNSTUDIO_TEMPORAL_CLI``, the PATH, our cache, the download of Temporal's SDK, and a build with Go. The last two
put the program into the cache.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from engine.devstack.fetching import (
    Counted,
    Progress,
    exclusive,
    run_visibly,
    scratch_directory,
    tool_environment,
)
from engine.devstack.sdk_download import DOWNLOAD_SECONDS, download, reason
from engine.errors import Invalid, Unavailable
from engine.settings import Settings, cache_dir

GO_MODULE: Final = "github.com/temporalio/cli/cmd/temporal@v1.5.1"
"""Server 1.29.1. Later tags carry a ``replace`` line, which ``go install`` refuses."""

BUILD_SECONDS: Final = 1200.0
BUILD_STEPS: Final = (
    Counted(re.compile(r"go: downloading \S+ \S+"), "of about 160 modules"),
    Counted(re.compile(r"[^\s:#]+"), "of about 1,300 packages"),
)
"""What ``go install -v`` prints. Both are less where Go's caches have some of them already."""

Source = Literal["RUNSTUDIO_TEMPORAL_CLI", "PATH", "cache", "download", "Go build"]


@dataclass(frozen=True, slots=True)
class TemporalCli:
    """The program and where it came from."""

    path: Path
    source: Source


def cached_cli() -> Path:
    """Where the cache keeps the program, there or not."""
    return cache_dir() / "bin" / "temporal"


def find_cli(settings: Settings) -> TemporalCli | None:
    """The program if this machine already has it; None if it must be obtained.

    Raises ``Invalid`` (``TEMPORAL_CLI_MISSING``) when RUNSTUDIO_TEMPORAL_CLI names no program: what was asked for is kept to.
    """
    if settings.temporal_cli is not None:
        if not os.access(settings.temporal_cli, os.X_OK) or settings.temporal_cli.is_dir():
            raise Invalid(
                "TEMPORAL_CLI_MISSING",
                f"RUNSTUDIO_TEMPORAL_CLI names {settings.temporal_cli}, which is no program that can be run.",
                "Correct the variable, or unset it to have the program searched for.",
            )
        return TemporalCli(settings.temporal_cli, "RUNSTUDIO_TEMPORAL_CLI")
    on_path = shutil.which("temporal")
    if on_path is not None:
        return TemporalCli(Path(on_path), "PATH")
    cached = cached_cli()
    return TemporalCli(cached, "cache") if os.access(cached, os.X_OK) else None


def obtain_cli(settings: Settings, progress: Progress) -> TemporalCli:
    """The program, obtained if this machine does not have it. A second process that wants it waits for the first.

    Raises ``Invalid`` as ``find_cli``, ``Unavailable`` (``TEMPORAL_CLI_NOT_OBTAINED``) with the reason of each way in details.
    """
    found = find_cli(settings)
    if found is not None:
        return found
    target = cached_cli()
    with exclusive(
        target.with_name(".temporal.lock"),
        seconds=DOWNLOAD_SECONDS + BUILD_SECONDS,
        waiting=lambda elapsed: progress(f"another process is obtaining the Temporal server: {elapsed:.0f} s"),
    ):
        return find_cli(settings) or _obtain(target, progress)


def _obtain(target: Path, progress: Progress) -> TemporalCli:
    reasons: dict[str, str] = {}
    progress("obtaining the Temporal server, only this once; a build takes some minutes")
    with scratch_directory(target) as scratch:
        try:
            return _keep(download("start_local", scratch, progress, "the Temporal server"), target, "download")
        except Unavailable as error:
            reasons["download"] = reason(error)
    with scratch_directory(target) as scratch:
        try:
            return _keep(_build(scratch, progress), target, "Go build")
        except Unavailable as error:
            reasons["Go build"] = reason(error)
    raise Unavailable(
        "TEMPORAL_CLI_NOT_OBTAINED",
        "The Temporal development server is not on this machine, cannot be downloaded, and cannot be built with Go."
        f" Download: {reasons['download']}. Go: {reasons['Go build']}",
        "Install the `temporal` program (https://docs.temporal.io/cli), or set TEMPORAL_ADDRESS to a server of your own.",
        {"reasons": reasons},
    )


def _build(scratch: Path, progress: Progress) -> Path:
    go = shutil.which("go")
    if go is None:
        raise Unavailable("GO_MISSING", "There is no `go` program on the PATH.")
    run_visibly(
        [go, "install", "-v", "-trimpath", "-ldflags", "-s -w", GO_MODULE],
        progress=progress,
        text="building the Temporal server with Go",
        seconds=BUILD_SECONDS,
        environment={**tool_environment(), "GOBIN": str(scratch), "GOFLAGS": "", "CGO_ENABLED": "0"},
        counted=BUILD_STEPS,
    )
    return scratch / "temporal"


def _keep(program: Path, target: Path, source: Source) -> TemporalCli:
    program.chmod(0o755)
    program.replace(target)
    return TemporalCli(target, source)
