"""Publishing from a file by keys: it is read and compared first, then published; every finding is shown with its place."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Forbidden, Unavailable
from engine.records import Issue, Json, Published
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.workflows import ORDER as DEFINITION
from tests.tui.conftest import WIDE
from tests.tui.flows.test_workflows import ORDER, at_workflow, flat

CHANGED = {**DEFINITION, "steps": [*DEFINITION["steps"][:-1], {"id": "end", "type": "control.return"}]}
AWAY = Unavailable("POSTGRES_UNREACHABLE", "Postgres is away.", "Wait for it.")


def written(path: Path, body: Json) -> str:
    """The path of a file with this JSON, or this text."""
    path.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    return str(path)


async def open_dialog(session: Any, path: str, schema: str = "") -> None:
    """The dialog, with paths in its fields."""
    await at_workflow(session, ORDER)
    await session.press("N")
    session.screen.query_one("#field-path").value = path
    session.screen.query_one("#field-schema").value = schema
    await session.settle()


async def confirm(session: Any) -> None:
    """ctrl+s, and whatever the dialog does then, which reads files in a thread."""
    dialog = session.screen
    await session.press("ctrl+s")
    await asyncio.gather(*dialog._tasks)
    await session.settle()


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_it_is_read_and_compared_then_published_and_shown(
    studio: Any, backend: FakeBackend, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with studio(size=size) as session:
        await open_dialog(session, written(tmp_path / "order.json", CHANGED))
        assert "Nothing is written before ctrl+s is pressed again." in flat(session)
        await confirm(session)
        assert "order-fulfilment becomes v4: 1 added, 1 removed, compared with v3, which is in force." in flat(session)
        assert "+ added end" in session.text
        assert "- removed notify-customer" in session.text
        assert backend.called("workflows.publish") == []
        await confirm(session)
        [call] = backend.called("workflows.publish")
        assert call.arguments == (CHANGED, None, None, True)
        await session.pass_time(0.5)
        assert type(session.screen).__name__ == "VersionScreen"
        assert "order-fulfilment v4" in session.line("Workflows ▸")
        assert "compared with v3: 1 added, 1 removed" in session.text
        assert "published order-fulfilment v4" in session.note
        await session.press("escape")
        await session.pass_time(1)
        assert session.screen.listing.cursor == ORDER
        assert session.screen.current.published_version == 4


async def test_a_new_workflow_with_its_schema(studio: Any, backend: FakeBackend, tmp_path: Path) -> None:
    body = {**CHANGED, "id": "new-one", "name": "new one", "payloadSchemaRef": "payload.New.v1"}
    schema = {"type": "object", "required": ["n"]}
    async with studio() as session:
        await open_dialog(session, written(tmp_path / "new.json", body), written(tmp_path / "schema.json", schema))
        await confirm(session)
        assert "new-one is not published yet: this becomes v3." in flat(session)
        assert "a new workflow" in session.text
        await confirm(session)
        assert backend.called("workflows.publish")[0].arguments[1] == schema
        await session.pass_time(1)
        assert "new-one v3" in session.line("Workflows ▸")
        await session.press("escape")
        await session.pass_time(1)
        assert session.screen.listing.cursor == "new-one"


async def test_every_finding_is_shown_with_its_place_and_copied(
    studio: Any, backend: FakeBackend, tmp_path: Path
) -> None:
    steps = [{"id": f"s{number}", "type": "no.such"} for number in range(30)]
    async with studio() as session:
        await open_dialog(session, written(tmp_path / "wrong.json", {**DEFINITION, "steps": steps}))
        await confirm(session)
        before = dict(backend.world.workflows)
        await confirm(session)
        assert "30 errors" in session.text
        assert "UNKNOWN_NODE_TYPE  root.steps[0] (s0)" in session.text
        assert "nothing was published · DEFINITION_INVALID" in session.said
        assert "root.steps[29] (s29)" not in session.text
        await session.press("end")
        assert "root.steps[29] (s29)" in session.text, "the list has the keyboard, and scrolls"
        await session.press("ctrl+y")
        assert "sent what is listed to the terminal" in session.said
        assert len(session.written) == 1
        assert backend.world.workflows == before
        copied = session.screen._findings
        assert len(copied) == 30
        # What was read counts no more: the file is read again, corrected.
        written(tmp_path / "wrong.json", CHANGED)
        await confirm(session)
        assert "1 added, 1 removed" in flat(session)
        await confirm(session)
        assert backend.world.workflows[ORDER].info.published_version == 4


async def test_another_path_is_read_anew(studio: Any, backend: FakeBackend, tmp_path: Path) -> None:
    async with studio() as session:
        await open_dialog(session, written(tmp_path / "order.json", CHANGED))
        await confirm(session)
        assert "[ Publish ]" in session.text
        session.screen.query_one("#field-path").value = written(tmp_path / "same.json", DEFINITION)
        await session.settle()
        assert "[ Read ]" in session.text
        await confirm(session)
        assert "order-fulfilment: nothing differs from v3" in flat(session)
        assert "Publishing it again would write nothing." in flat(session)
        await confirm(session)
        await session.pass_time(1)
        assert backend.world.workflows[ORDER].info.published_version == 3
        assert "nothing was written: this was published before as order-fulfilment v3" in session.note


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{", "Not valid JSON at line 1, column 2"),
        ("[1]", "is no JSON object, so it is no definition."),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1, "a": 2}', "is there twice"),
    ],
)
async def test_what_is_no_definition_says_where_and_why(
    studio: Any, backend: FakeBackend, tmp_path: Path, body: str, told: str
) -> None:
    async with studio(size=WIDE) as session:
        await open_dialog(session, written(tmp_path / "bad.json", body))
        await confirm(session)
        assert told in session.said
        assert "nothing was published" in session.said
        assert session.screen.query_one("#field-path").value.endswith("bad.json")
        assert backend.called("workflows.publish") == []


async def test_only_regular_files_that_are_small_enough_are_read(studio: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large.json").write_bytes(b" " * (5 * 1024 * 1024))
    async with studio(size=WIDE) as session:
        for name, told in (
            ("absent.json", "cannot be read: No such file or directory."),
            ("pipe", "is no regular file."),
            (".", "is no regular file."),
            ("large.json", "has 5,242,880 bytes; 4,194,304 are allowed."),
        ):
            if type(session.screen).__name__ != "PublishDialog":
                await open_dialog(session, "")
            session.screen.query_one("#field-path").value = str(tmp_path / name)
            await confirm(session)
            assert told in session.said
        for device in ("/dev/zero", "nul\0byte"):
            session.screen.query_one("#field-path").value = device
            await confirm(session)
            assert "nothing was published" in session.said


async def test_a_path_is_needed_and_closing_asks_before_it_is_lost(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await open_dialog(session, "")
        await session.press("ctrl+s")
        assert "type the path of a definition first" in session.said
        await session.type("a.json")
        await session.press("escape")
        assert "esc again discards what was typed; nothing was published" in session.said
        await session.press("escape")
        assert type(session.screen).__name__ == "WorkflowsScreen"


async def test_a_refusal_leaves_the_dialog_and_after_an_outage_the_same_is_sent_again(
    studio: Any, backend: FakeBackend, tmp_path: Path
) -> None:
    async with studio(size=WIDE) as session:
        await open_dialog(session, written(tmp_path / "order.json", CHANGED))
        backend.fail_next("workflows.versions", AWAY)
        await confirm(session)
        assert "nothing was published: Postgres is away. Wait for it." in session.said
        await confirm(session)
        backend.fail_next("workflows.publish", AWAY)
        await confirm(session)
        assert "nothing was published: Postgres is away. Wait for it." in session.said
        written(tmp_path / "order.json", DEFINITION)
        await confirm(session)
        first, second = backend.called("workflows.publish")
        assert first.arguments == second.arguments, "what was read is sent, not what the file has become"


async def test_who_may_not_publish_is_told_by_the_server_too(studio: Any, backend: FakeBackend, tmp_path: Path) -> None:
    async with studio(size=WIDE) as session:
        await open_dialog(session, written(tmp_path / "order.json", CHANGED))
        await confirm(session)
        backend.fail_next("workflows.publish", Forbidden("LEVEL_TOO_LOW", "This needs the level admin.", "Ask."))
        await confirm(session)
        assert "This needs the level admin." in session.said


async def test_warnings_are_shown_before_the_version(
    studio: Any, backend: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warning = Issue("warning", "root.steps[2]", "charge-card", "NO_RETRY", "It is tried once.", "Give it a retry.")

    async def publish(*_: Any, **__: Any) -> Published:
        return Published(ORDER, 4, "00", created=True, warnings=(warning,))

    monkeypatch.setattr(backend.workflows, "publish", publish)
    async with studio(size=WIDE) as session:
        await open_dialog(session, written(tmp_path / "order.json", CHANGED))
        await confirm(session)
        await confirm(session)
        assert "order-fulfilment v4 is published." in session.text
        assert "▲ NO_RETRY  root.steps[2] (charge-card)" in session.text
        assert "Give it a retry." in session.text
        assert "[ Show it ]" in session.text
        await session.press("escape")
        await session.settle()
        assert type(session.screen).__name__ == "VersionScreen"


async def test_a_home_directory_is_understood(studio: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path / "order.json", CHANGED)
    async with studio() as session:
        await open_dialog(session, "~/order.json")
        await confirm(session)
        assert "1 added, 1 removed" in flat(session)
