"""Exports of lists of runs: what matches or was named, foreign text made harmless, and nothing written."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, text

from engine.errors import Invalid, NotFound, Unavailable
from engine.operations.context import OperationContext
from engine.operations.runs.export import export_list, export_run
from engine.records import Count, ExportFormat, Level, RunFilter, RunOrder, RunStatus
from engine.records.run_files import CSV_COLUMNS, PAGE_ROWS
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import Execute, Query
from tests.engine.operations.runs.exported import UNKNOWN, document_of, file_of, reader
from tests.engine.store.rows import START, at, insert_run

__all__ = ["reader"]


async def many(store: Store, number: int) -> list[str]:
    """Ids of runs, the oldest first."""
    async with store.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, started_at, updated_at)"
                " SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'orders', 1, 'SUCCEEDED', 'temporal',"
                " :start + n * interval '1 second', :start FROM generate_series(1, :number) AS n"
            ),
            {"start": START, "number": number},
        )
    return [f"00000000-0000-7000-8000-{n:012d}" for n in range(1, number + 1)]


async def test_all_that_match_as_csv(reader: OperationContext, store: Store) -> None:
    await insert_run(store, status="RUNNING")
    ids = await many(store, 2 * PAGE_ROWS + 7)
    wanted = RunFilter(statuses=frozenset({RunStatus.SUCCEEDED}))
    parts = [part async for part in export_list(reader, wanted, ExportFormat.CSV)]
    assert [part.done for part in parts] == [0, PAGE_ROWS, 2 * PAGE_ROWS, 2 * PAGE_ROWS + 7]
    assert {part.total for part in parts} == {Count(len(ids))}
    header, *rows = csv.reader(io.StringIO("".join(part.text for part in parts)))
    assert tuple(header) == CSV_COLUMNS
    assert [row[0] for row in rows] == ids[::-1]
    first = dict(zip(header, rows[-1], strict=True))
    assert (first["workflow_id"], first["status"], first["started_at"]) == (
        "orders",
        "SUCCEEDED",
        "2026-01-02T03:04:06.678Z",
    )
    assert (first["completed_at"], first["attempt"], first["error_code"]) == ("", "", "")


async def test_all_that_match_as_lines_of_json(reader: OperationContext, store: Store) -> None:
    ids = await many(store, 3)
    whole = await file_of(export_list(reader, RunFilter(order=RunOrder.STARTED_ASC), ExportFormat.NDJSON))
    rows = [json.loads(line) for line in whole.splitlines()]
    assert [row["run_id"] for row in rows] == ids
    assert (rows[0]["status"], rows[0]["version"], rows[0]["started_at"]) == (
        "SUCCEEDED",
        1,
        "2026-01-02T03:04:06.678Z",
    )


async def test_nothing_matches(reader: OperationContext) -> None:
    nothing = RunFilter(workflow="nobody")
    assert await file_of(export_list(reader, nothing, ExportFormat.CSV)) == ",".join(CSV_COLUMNS) + "\n"
    assert await file_of(export_list(reader, nothing, ExportFormat.NDJSON)) == ""


@pytest.mark.parametrize("order", [RunOrder.UPDATED_DESC, RunOrder.UPDATED_ASC])
async def test_a_run_that_changes_meanwhile_is_there_once(
    reader: OperationContext, store: Store, execute: Execute, order: RunOrder
) -> None:
    ids = await many(store, 2 * PAGE_ROWS)
    written = []
    async for part in export_list(reader, RunFilter(order=order), ExportFormat.NDJSON):
        written.append(part.text)
        # The order of the filter is turned around under it.
        await execute("UPDATE workflow_runs SET updated_at = updated_at + random() * interval '1 day'")
    found = [json.loads(line)["run_id"] for line in "".join(written).splitlines()]
    assert found == (ids[::-1] if order.descending else ids)


async def test_those_that_were_named_in_their_order(reader: OperationContext, store: Store) -> None:
    ids = await many(store, PAGE_ROWS + 3)
    named = [*ids[2:], ids[0], ids[2].upper()]
    parts = [part async for part in export_list(reader, named, ExportFormat.NDJSON)]
    found = [json.loads(line)["run_id"] for line in "".join(part.text for part in parts).splitlines()]
    assert found == [*ids[2:], ids[0]]
    assert (parts[0].total, parts[-1].done) == (Count(len(found)), len(found))


@pytest.mark.parametrize("unknown", [UNKNOWN, "no id"])
async def test_one_that_was_named_is_not_there(reader: OperationContext, store: Store, unknown: str) -> None:
    [known] = await many(store, 1)
    with pytest.raises(NotFound) as refused:
        await file_of(export_list(reader, [known, unknown], ExportFormat.CSV))
    assert refused.value.code == "RUN_NOT_FOUND"


async def test_a_list_is_no_document(reader: OperationContext) -> None:
    with pytest.raises(Invalid) as refused:
        await anext(export_list(reader, RunFilter(), ExportFormat.JSON))
    assert refused.value.code == "EXPORT_FORMAT_INVALID"


# --- foreign text -------------------------------------------------------------------------------------------------------

HOSTILE = "\x1b]52;c;eA==\x07\x9b2J\r\nline\t\x00\x7f\u202egnp.exe\u2028\u200b\ufeff\ud83d"
FORMULAS = ("=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "  =1", "\uff1d1")


async def test_text_that_would_be_a_formula_or_drive_a_terminal(reader: OperationContext, store: Store) -> None:
    texts = [*FORMULAS, HOSTILE.replace("\x00", "").replace("\ud83d", ""), 'a "quoted", text; x']
    for number, message in enumerate(texts):
        await insert_run(
            store, workflow_id=f"w{message}", status="FAILED", error_json={"message": message, "code": message},
            node_path=message, event_type=message, started_at=at(-number),
        )  # fmt: skip
    as_csv = await file_of(export_list(reader, RunFilter(), ExportFormat.CSV))
    as_json = await file_of(export_list(reader, RunFilter(), ExportFormat.NDJSON))
    for whole in (as_csv, as_json):
        assert not [sign for sign in HOSTILE if sign in whole and not (sign.isprintable() or sign == "\n")]
        assert whole.count("\n") == len(texts) + (whole is as_csv)
        whole.encode("utf-8")
    rows = [dict(row) for row in csv.DictReader(io.StringIO(as_csv))]
    for column in ("error_message", "error_code", "step_path", "trigger_event"):
        assert all(row[column].startswith("'") for row in rows[: len(FORMULAS)]), column
    assert rows[0]["error_message"] == "'=HYPERLINK(1)"
    assert rows[-1]["error_message"] == texts[-1]
    assert [row for row in rows if any(cell[:1] in "=+-@\t\r" for cell in row.values() if cell)] == []
    # JSON says the very same, escaped.
    assert [json.loads(line)["error_message"] for line in as_json.splitlines()] == texts


async def test_a_document_cannot_drive_a_terminal_and_says_the_same(reader: OperationContext, store: Store) -> None:
    run_id = await insert_run(
        store, workflow_id=HOSTILE.replace("\x00", "").replace("\ud83d", ""), input_json={"text": HOSTILE}
    )
    whole = await file_of(export_run(reader, run_id))
    assert not [sign for sign in HOSTILE if sign in whole and not (sign.isprintable() or sign == "\n")]
    assert json.loads(whole)["payload"]["value"]["text"] == HOSTILE.replace("\x00", "\ufffd").replace(
        "\ud83d", "\ufffd"
    )


# --- who, and what is left ----------------------------------------------------------------------------------------------


async def test_a_viewer_may_export_and_nothing_is_written(store: Store, query: Query, as_user: Any) -> None:
    run_id = await insert_run(store, input_json={"n": 1})
    tables = await query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    names = [row["table_name"] for row in tables]

    async def everything() -> list[Any]:
        return [await query(f"SELECT t::text AS row FROM {name} AS t ORDER BY 1") for name in names]

    async with as_user(Level.READ) as viewer:
        before = await everything()
        assert (await document_of(viewer, run_id))["payload"]["value"] == {"n": 1}
        assert run_id in await file_of(export_list(viewer, RunFilter(), ExportFormat.CSV))
        assert await everything() == before


async def test_postgres_goes_away_in_the_middle(reader: OperationContext, store: Store, database_url: str) -> None:
    await many(store, PAGE_ROWS + 1)
    parts = export_list(reader, RunFilter(), ExportFormat.CSV)
    await anext(parts)
    await anext(parts)
    url = make_url(database_url).set(drivername="postgresql")
    name = url.database
    with psycopg.connect(url.set(database="postgres").render_as_string(), autocommit=True) as connection:
        # Nobody gets in any more; a connection that is only lost is made again.
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    with pytest.raises(Unavailable) as told:
        await anext(parts)
    assert told.value.code == "POSTGRES_UNREACHABLE"
