"""``runstudio runs export``: runs as files, or on standard output for the next program."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Protocol

import typer

from engine.ids import once_each
from engine.records import ExportFormat
from runstudio_tui.commands.connection import display_zone, open_engine
from runstudio_tui.commands.job_text import require_runs, submit_for_filter
from runstudio_tui.commands.output import Exit, print_json, run_command, say
from runstudio_tui.commands.progress import progress_bar
from runstudio_tui.commands.run_filter import read_filter

if TYPE_CHECKING:
    from engine.client import Engine
    from engine.records import ExportPart

STANDARD_OUTPUT: Final = "-"


class Target(Protocol):
    """Where the pieces go."""

    size: int
    """Bytes so far."""

    def write(self, text: str) -> None: ...

    def finish(self) -> None: ...


def export(
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="RUN_ID", help="Run ids.")] = None,
    filter_text: Annotated[
        str | None,
        typer.Option("--filter", metavar="TEXT", help="All runs that match, as `status:failed since:24h`; '' for all."),
    ] = None,
    form: Annotated[
        ExportFormat | None,
        typer.Option(
            "--format", help="json: one run, whole. csv, ndjson: a line a run. Default: json for one id, else csv."
        ),
    ] = None,
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="File to write, or - for standard output.")
    ] = STANDARD_OUTPUT,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    job: Annotated[
        bool,
        typer.Option(
            "--job", help="With --filter: each run whole, as a job of the workers; `jobs download` has the file."
        ),
    ] = False,
    reason: Annotated[str, typer.Option(help="With --job: why, at least 3 characters; it is audited.")] = "",
    key: Annotated[
        str | None, typer.Option("--idempotency-key", help="With --job: the same key makes it once.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell refusals, and what was written into a file, as JSON.")
    ] = False,
) -> None:
    """Export runs, redacted: one with all that is recorded of it, or a line for each. Nothing of a broken export is left."""

    async def work() -> Exit:
        if job:
            return await _submit(run_ids, filter_text, reason, key, as_json=as_json)
        ids = once_each(run_ids or ())
        chosen = _checked(ids, filter_text, form)
        line = read_filter(filter_text) if filter_text is not None else None
        with _target(output, replace=force) as target:
            async with open_engine() as engine:
                if line is not None:
                    now = (await engine.system.session()).server_now
                    parts = engine.runs.export_list(line.resolve(now, display_zone()), chosen)
                else:
                    parts = _parts_of(engine, ids, chosen)
                done = await _write(parts, target, quiet=as_json or _shares_the_terminal(output))
            target.finish()
        if output != STANDARD_OUTPUT:
            _tell(Path(output), chosen, done, target.size, as_json=as_json)
        return Exit.DONE

    run_command(work, as_json=as_json)


def download(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="Job id.", show_default=False)],
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="File to write, or - for standard output.")
    ] = STANDARD_OUTPUT,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell refusals, and what was written into a file, as JSON.")
    ] = False,
) -> None:
    """Write what a job has exported so far: NDJSON, one run a line with all that is recorded of it, redacted."""

    async def work() -> None:
        with _target(output, replace=force) as target:
            async with open_engine() as engine:
                quiet = as_json or _shares_the_terminal(output)
                done = await _write(engine.jobs.files(job_id), target, quiet=quiet)
            target.finish()
        if output != STANDARD_OUTPUT:
            _tell(Path(output), ExportFormat.NDJSON, done, target.size, as_json=as_json)

    run_command(work, as_json=as_json)


async def _submit(
    run_ids: list[str] | None, filter_text: str | None, reason: str, key: str | None, *, as_json: bool
) -> Exit:
    from engine.errors import Invalid
    from engine.records import JobKind

    if run_ids or filter_text is None:
        raise Invalid("WHICH_RUNS", "A job is of a filter.", "Give --filter with --job; --filter '' is all runs.")
    return await submit_for_filter(JobKind.EXPORT, filter_text, reason, key, as_json=as_json)


def _checked(ids: list[str], filter_text: str | None, form: ExportFormat | None) -> ExportFormat:
    """The format. Raises ``Invalid`` for what does not go together."""
    from engine.errors import Invalid

    require_runs(ids, filter_text)
    chosen = form or (ExportFormat.JSON if len(ids) == 1 else ExportFormat.CSV)
    if chosen is ExportFormat.JSON and len(ids) != 1:
        raise Invalid("EXPORT_FORMAT_INVALID", "json is one run.", "Name one run, or ask for csv or ndjson.")
    return chosen


def _parts_of(engine: Engine, ids: list[str], form: ExportFormat) -> AsyncIterator[ExportPart]:
    return engine.runs.export(ids[0]) if form is ExportFormat.JSON else engine.runs.export_list(ids, form)


async def _write(parts: AsyncIterator[ExportPart], target: Target, *, quiet: bool) -> int:
    """Write all pieces; how many records they were."""
    done = 0
    with progress_bar("exporting", as_json=quiet) as bar:
        async for part in parts:
            target.write(part.text)
            done = part.done
            bar(done, max(done, part.total.value))
    return done


@contextmanager
def _target(output: str, *, replace: bool) -> Iterator[Target]:
    from runstudio_tui.export_file import ExportFile

    if output == STANDARD_OUTPUT:
        yield _StandardOutput()
        return
    with ExportFile(Path(output), replace=replace) as file:
        yield file


class _StandardOutput:
    """Nothing but the data, in UTF-8 whatever the locale is."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, text: str) -> None:
        written = text.encode()
        sys.stdout.buffer.write(written)
        # At once, so that a reader that has gone is noticed, and one that follows sees it.
        sys.stdout.buffer.flush()
        self.size += len(written)

    def finish(self) -> None:
        """Nothing is left to do."""


def _shares_the_terminal(output: str) -> bool:
    """A bar would stand between the lines of the data."""
    return output == STANDARD_OUTPUT and sys.stdout.isatty()


def _tell(path: Path, form: ExportFormat, done: int, size: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"path": path.absolute(), "format": form, "records": done, "bytes": size})
        return
    noun = "record" if form is ExportFormat.JSON else "run"
    say(f"saved {path} ({done:,} {noun}{'' if done == 1 else 's'}, {size:,} bytes)")
