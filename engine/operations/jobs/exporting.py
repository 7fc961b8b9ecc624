"""Jobs that export: a worker makes the document of each run and keeps it, compressed, until somebody has it written to a file."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Final

from engine.errors import Invalid, NotFound
from engine.operations.context import OperationContext
from engine.operations.jobs.jobs import get_job
from engine.operations.runs.export import export_run
from engine.records import Count, ExportPart, JobKind, Level
from engine.store.database.transactions import writing
from engine.store.jobs.files import KEPT_DAYS, count_files, next_file, save_file

MAX_BYTES: Final = 16 * 1024 * 1024
"""Compressed, of one run."""
_GZIP: Final = 16 + zlib.MAX_WBITS


async def keep_export(context: OperationContext, job_id: str, run_id: str) -> int:
    """Make the document of a run, redacted as ``export_run`` makes it, and keep it; its size in bytes, compressed.

    Harmless to repeat. Raises ``NotFound`` (RUN_NOT_FOUND), ``Invalid`` (EXPORT_TOO_LARGE), ``Forbidden``, ``Unavailable``.
    """
    packing = zlib.compressobj(wbits=_GZIP)
    packed = bytearray()
    async for part in export_run(context, run_id):
        # A line for each document: in JSON a line end is nothing but room between two words.
        packed += await asyncio.to_thread(packing.compress, part.text.replace("\n", "").encode())
        _require_room(run_id, len(packed))
    packed += packing.flush()
    _require_room(run_id, len(packed))
    async with writing(context.store) as connection:
        await save_file(connection, context.tenant, job_id, run_id, bytes(packed))
    return len(packed)


def _require_room(run_id: str, size: int) -> None:
    if size > MAX_BYTES:
        told = f"The document of run {run_id} is larger than {MAX_BYTES // 1024**2} MB, compressed."
        raise Invalid("EXPORT_TOO_LARGE", told, f"Export it on its own: `runstudio runs export {run_id}`.")


async def job_files(context: OperationContext, job_id: str) -> AsyncIterator[ExportPart]:
    """What a job has exported so far: a line of JSON for each run, by id, each read when it is asked for. Needs the level read.

    Raises ``NotFound`` (JOB_NOT_FOUND, JOB_FILES_NOT_FOUND), ``Invalid`` (JOB_EXPORTS_NOTHING).
    """
    job = await get_job(context, job_id)
    if job.kind is not JobKind.EXPORT:
        told = f"The job {job.job_id} is a {job.kind.value}, which makes no documents."
        raise Invalid("JOB_EXPORTS_NOTHING", told, "`runstudio runs export --filter TEXT --job` submits one that does.")
    async with writing(context.store) as connection:
        total = await count_files(connection, context.tenant, job.job_id)
    if not total:
        gone = f"it has made none yet, or they were deleted after {KEPT_DAYS} days"
        told = f"There are no documents of the job {job.job_id}: {gone}."
        raise NotFound("JOB_FILES_NOT_FOUND", told, f"`runstudio jobs show {job.job_id}` tells how far it is.")
    done, after = 0, None
    while True:
        async with writing(context.store) as connection:
            found = await next_file(connection, context.tenant, job.job_id, after)
        if found is None:
            return
        await context.require(Level.READ)
        done, after = done + 1, found.run_id
        line = (await asyncio.to_thread(gzip.decompress, found.body)).decode()
        yield ExportPart(f"{line}\n", done, Count(max(total, done)))
