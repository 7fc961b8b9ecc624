"""A secret goes through whole runs, told to every kind of action and repeated by each, and afterwards is found nowhere."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from engine.ids import new_id
from engine.operations.events.events import EventRequest, submit_event
from tests.engine.workflow.harness import Run
from tests.engine.workflow.steps import Step, assign, attempt, call, call_workflow, going_on, retried, wait_event
from tests.faults.installation import Installation
from tests.faults.rude_actions import digest_of
from tests.imported import Start, logged

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

CANARY = 'kanarie 4711/"+='
FORMS = (
    *(CANARY, json.dumps(CANARY)[1:-1], quote(CANARY), quote(CANARY, safe=""), "kanarie", CANARY[8:]),
    *("KANARIE", CANARY[::-1], json.dumps(CANARY[::-1])[1:-1], "eiranak", b"kanarie".hex(), b"kanarie".hex().upper()),
    *(base64.b64encode(b"x" * before + CANARY.encode()).decode()[4:16] for before in range(3)),
    *(json.dumps(list("kanarie"), separators=marks)[1:-1] for marks in ((",", ":"), (", ", ": "))),
)
"""In a text, in JSON, in a URL; its two halves, whatever became of the rest; and as an action may have changed it."""
ENCODED = tuple(form.encode() for form in FORMS)
SECRET = {"$secret": "CANARY"}
DATA = "Zeisig-0815-xyz"
"""Hidden in the payload by the name of its field: it is stored as it came, and told to nobody."""
DATA_FORMS = (DATA, DATA.upper(), DATA[::-1], DATA.encode().hex(), "Zeisig")
LISTS = (
    ("runs", "list", "--json"),
    ("events", "list", "--json"),
    ("events", "dead", "--json"),
    ("tasks", "list", "--json"),
    ("attention", "--json"),
    ("alerts", "messages", "--json"),
    ("jobs", "list", "--json"),
    ("schedules", "list", "--json"),
    ("workflows", "list", "--json"),
)


def tells_everybody(port: int) -> list[Step]:
    """Steps that give the secret to actions that cannot keep it."""
    url = f"http://127.0.0.1:{port}/echo"
    request = {"url": url, "headers": {"Authorization": SECRET, "X-Plain": "plain"}, "query": {"q": SECRET}}
    return [
        call("repeats", "rude.repeats", value=SECRET),
        call("beats", "rude.beats", value=SECRET),
        call("changes", "rude.changes", value=SECRET),
        attempt("t", [call("raises", "rude.raises", value=SECRET)], [assign("said", said="vars.caught.message")]),
        going_on(call("refuses", "rude.refuses", value=SECRET)),
        going_on(call("counts", "rude.counts", value=SECRET)),
        going_on(call("queries", "rude.queries", value=SECRET)),
        going_on(retried(call("refused", "http.request", **request), maxAttempts=2)),
        going_on(call("unreachable", "http.request", **{**request, "url": "http://127.0.0.1:1/"})),
        call("answered", "http.request", **request, accept_error_status=True),
        going_on(call("upper", "transform.uppercase_text", text=SECRET)),
        going_on(stored({"namespace": "n", "key": "k", "value": SECRET})),
        going_on(stored({"namespace": "n", "key": SECRET, "value": 1})),
        call_workflow("child", "wf.child", given="vars.repeats", outputs={"vars.fromChild": "childRun.payload.given"}),
        wait_event("w", key="toString(vars.repeats.value[0])"),
        going_on(call("tells", "rude.raises", value="=payload.password")),
        going_on(call("refuses2", "rude.refuses", value="='no ' & payload.password")),
        call("last", "rude.raises", value=SECRET),
    ]


def stored(given: dict[str, Any]) -> Step:
    """A step that keeps ``given`` in the data store."""
    step = call("stored", "store.set")
    step["config"]["inputMapping"] = given
    return step


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """Answers every request with what it said, as an error."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 500 No\r\nContent-Length: {len(said)}\r\nContent-Type: text/plain; charset=latin-1\r\n"
        writer.write(head.encode() + b"X-Said: " + said.split(b"\r\n")[0] + b"\r\nConnection: close\r\n\r\n" + said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def command(installation: Installation, *words: str) -> str:
    """What ``runstudio`` prints."""
    variables = {"DATABASE_URL": installation.url, "TEMPORAL_ADDRESS": installation.temporal.address}
    log = installation.directory / f"said-{new_id()}.log"
    code = await logged(Start("runstudio_tui.cli", words, {**os.environ, **variables}), log).ended()
    said = log.read_text()
    assert code == 0, said
    return said


async def test_nobody_repeats_it(installation: Installation) -> None:
    bench = installation.bench
    installation.variables = {
        "RUNSTUDIO_SECRET_CANARY": CANARY,
        "RUNSTUDIO_HTTP_ALLOWED_HOSTS": "127.0.0.1",
        "RUNSTUDIO_LOG_LEVEL": "debug",
    }
    await bench.publish([call("repeats", "rude.repeats", value=SECRET)], "wf.child")
    async with echo_server() as port, installation.worker("worker") as worker, httpx.AsyncClient() as web:
        await bench.publish(tells_everybody(port))
        [run] = await installation.launch(1, lambda _: {"password": DATA})
        await run.waiting("event")
        shown = [await command(installation, "runs", *words, run.id, "--json") for words in (["show"], ["why"])]
        await submit_event(installation.context, EventRequest("PING", {}, "[REDACTED]"))
        await installation.all_ended()
        shown += [await command(installation, "runs", *words, run.id, "--json") for words in (["show"], ["why"])]
        shown += [await command(installation, *words) for words in LISTS]
        shown += [await command(installation, "runs", "export", run.id)]
        shown += [
            await command(installation, "runs", "export", "--filter", "", "--format", form)
            for form in ("csv", "ndjson")
        ]
        shown += [(await web.get(f"http://127.0.0.1:{worker.port}/{path}")).text for path in ("health", "metrics")]
    await told(run)
    assert await in_tables(installation) == []
    assert [form for form in (*FORMS, *DATA_FORMS) for text in shown if form in text] == []
    files = [file for file in installation.directory.rglob("*") if file.is_file()]
    assert {"worker.log", "temporal.db", "temporal.log"} <= {file.name for file in files}
    assert [file.name for file in files if any(form in file.read_bytes() for form in ENCODED)] == []
    assert [form for form in DATA_FORMS if form in (installation.directory / "worker.log").read_text()] == []


async def told(run: Run) -> None:
    """The secret really was where it was to go, and what came of it is shown in its place."""
    row = await run.row()
    assert (row["status"], row["error_json"]["message"]) == ("FAILED", "cannot log in with [REDACTED]")
    seen: dict[str, Any] = {attempt["step_path"]: attempt for attempt in await run.tries()}
    outputs = {path: attempt["output_json"] for path, attempt in seen.items()}
    assert {outputs[f"root.steps[{number}]"]["digest"] for number in range(3)} == {digest_of(CANARY)}
    assert len(outputs["root.steps[2]"]["value"]) == 10
    assert outputs["root.steps[0]"]["value"] == ["[REDACTED]", {"[REDACTED]": 1}, "<[REDACTED]>"]
    errors = {path: (attempt["error_json"] or {}).get("code") for path, attempt in seen.items()}
    assert (errors["root.steps[11]"], errors["root.steps[12]"]) == ("SECRET_NOT_ACCEPTED", "SECRET_NOT_ACCEPTED")
    assert "authorization: [REDACTED]" in outputs["root.steps[9]"]["text"]


async def in_tables(installation: Installation) -> list[str]:
    """Tables that hold the secret, in any form."""
    bench, found = installation.bench, []
    for table in await bench.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"):
        name = table["table_name"]
        rows = await bench.rows(f"SELECT t::text AS row FROM {name} AS t")
        found += [name for row in rows for form in FORMS if form in row["row"]]
    return found
