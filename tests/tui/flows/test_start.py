"""Starting a run: workflow, version, payload, and what is sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from textual.widgets import TextArea

from engine.errors import Invalid
from engine.records import MAX_PAYLOAD_BYTES, Level
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.payload_files import read_payload
from tests.tui.refusals import postgres_away


class Request(NamedTuple):
    """One start that was sent."""

    workflow_id: str
    payload: Any
    version: int
    key: str


def sent(backend: FakeBackend) -> list[Request]:
    """The starts so far."""
    return [Request(*call.arguments) for call in backend.called("runs.start")]


async def to_editor(session: Any) -> TextArea:
    """Open the dialog on the workflow under the cursor."""
    await session.press("n", "enter")
    await session.pass_time(0.4)
    editor = session.screen.query_one(TextArea)
    assert session.app.focused is editor
    return editor


async def replace_text(session: Any, text: str) -> None:
    """Put another text into the editor, as pasting would."""
    session.screen.query_one(TextArea).text = text
    await session.settle()
    await session.pass_time(0.4)


async def choose_payload(session: Any, name: str) -> None:
    """Choose what to begin with, by the beginning of its name."""
    choice = session.screen.query_one("#payload")
    choice.focus()
    while not choice._options[choice.chosen].startswith(name):
        await session.press("right")
    await session.pass_time(0.4)


@pytest.mark.parametrize("width", [60, 80])
async def test_what_there_is_to_begin_with_is_shown_in_whole_names(studio: Any, width: int) -> None:
    async with studio(size=(width, 24)) as session:
        await session.press("n", "enter")
        await session.pass_time(0.4)
        choice = session.screen.query_one("#payload")
        choice.focus()
        seen = set()
        for _ in choice._options:
            shown = session.line("Payload ").strip("│ ").removeprefix("Payload").strip()
            before, more = re.match(r"(\d+) before  ", shown), re.search(r"  (\d+) more$", shown)
            first, last = int(before[1]) if before else 0, len(choice._options) - (int(more[1]) if more else 0)
            names = re.split(r" *\([ •]\) ", shown[before.end() if before else 0 : more.start() if more else None])[1:]
            assert tuple(names) == choice._options[first:last]
            assert f"(•) {choice._options[choice.chosen]}" in shown
            seen.update(names)
            await session.press("right")
        assert seen == set(choice._options)


async def test_s29_the_workflow_of_the_current_run_comes_first_and_its_example_is_there(
    studio: Any, backend: FakeBackend
) -> None:
    async with studio() as session:
        await session.press("n")
        assert "▌order-fulfilment" in session.text
        assert "paused" in session.line("reminder")
        await session.press("enter")
        await session.pass_time(0.4)
        assert "Start order-fulfilment" in session.text
        assert "fits the schema" in session.text
        assert '"order_id": "ORD-1"' in session.text
        await session.press("ctrl+s")
        await session.settle()
        request = sent(backend)[0]
        assert (request.workflow_id, request.version) == ("order-fulfilment", 3)
        assert request.payload == {"order_id": "ORD-1", "amount": 20, "lines": [{"sku": "SKU-1"}]}
        assert session.screen.run_id in backend.world.runs
        assert "started" in session.note


async def test_a_paused_workflow_says_why_it_cannot(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("n")
        await session.type("remin")
        assert "▌reminder" in session.text
        assert "paused" in session.said
        await session.press("enter")
        assert "which workflow?" in session.text
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_a_workflow_without_a_version_says_why_it_cannot(studio: Any, backend: FakeBackend) -> None:
    known = backend.world.workflows["order-fulfilment"]
    backend.world.workflows["order-fulfilment"] = replace(known, info=replace(known.info, published_version=None))
    async with studio() as session:
        await session.press("n")
        assert "▌order-fulfilment" in session.text
        assert "no published version" in session.said
        await session.press("enter", "ctrl+s")
        assert "which workflow?" in session.text
        assert sent(backend) == []


async def test_a_viewer_is_told_what_starting_needs(studio: Any, backend: FakeBackend) -> None:
    backend.world.session = replace(backend.world.session, level=Level.READ)
    async with studio() as session:
        await session.press("n")
        assert "this needs the operate level; you have read" in session.note
        assert type(session.screen).__name__ == "RunsScreen"


async def test_another_version(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        session.screen.query_one("#version").focus()
        await session.press("right")
        await session.pass_time(0.4)
        await session.press("ctrl+s")
        assert sent(backend)[0].version == 2


async def test_empty_payload_and_what_the_schema_says(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        await choose_payload(session, "empty")
        assert session.screen.query_one(TextArea).text == "{}"
        assert "3 problems" in session.text
        assert "order_id is required, but missing" in session.text
        await session.press("ctrl+s")
        assert sent(backend) == []


async def test_s29_masked_values_of_the_latest_run_must_be_typed(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        await choose_payload(session, "latest run")
        assert "[REDACTED]" in session.text
        assert "masked where it came from, type the real value: /card_token" in session.said
        await session.press("ctrl+s")
        assert sent(backend) == []
        text = session.screen.query_one(TextArea).text.replace("[REDACTED]", "tok_1")
        await replace_text(session, text)
        await session.press("ctrl+s")
        assert sent(backend)[0].payload["card_token"] == "tok_1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"order_id": "A-1",}', "not valid JSON: line 1, column"),
        ("", "not valid JSON: line 1, column 1"),
        ('{"amount": NaN}', "NaN is not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"order_id": "A-1", "order_id": "B-2"}', "given twice"),
    ],
)
async def test_what_cannot_be_sent_says_why(studio: Any, backend: FakeBackend, text: str, said: str) -> None:
    async with studio(size=(120, 36)) as session:
        await to_editor(session)
        await replace_text(session, text)
        assert said in session.text
        await session.press("ctrl+s")
        assert sent(backend) == []


def broken_editor(_: str) -> str:
    raise OSError("vi ended with code 1")


REFUSED = Invalid("PAYLOAD_REJECTED", "There is no such SKU.", "Correct the payload.", {"runId": "run-77"})


async def test_refusals_stay_in_the_dialog_with_the_text(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        await replace_text(session, '{"order_id": "ORD-9", "amount": 1, "lines": []}')
        backend.fail_next("runs.start", REFUSED)
        await session.press("ctrl+s")
        assert "There is no such SKU. Correct the payload." in session.said
        assert "A run row was written: run-77" in session.said
        assert "ORD-9" in session.screen.query_one(TextArea).text


async def test_sending_again_after_an_outage_uses_the_same_key(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        backend.fail_next("runs.start", postgres_away())
        await session.press("ctrl+s")
        assert postgres_away().message in session.said
        await session.press("ctrl+s")
        first, second = sent(backend)
        assert first.key == second.key


async def test_pressing_twice_sends_once(studio: Any, backend: FakeBackend) -> None:
    gate = backend.hold("runs.start")
    async with studio() as session:
        await to_editor(session)
        await session.press("ctrl+s", "ctrl+s", "escape")
        assert len(sent(backend)) == 1
        assert "on its way" in session.said
        gate.set()
        await session.until(lambda: type(session.screen).__name__ == "RunScreen")


async def test_escape_asks_before_an_edited_payload_is_lost(studio: Any) -> None:
    async with studio() as session:
        await to_editor(session)
        await replace_text(session, '{"order_id": "ORD-9"}')
        await session.press("escape")
        assert "discards the payload" in session.said
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_an_unedited_payload_closes_at_once(studio: Any) -> None:
    async with studio() as session:
        await to_editor(session)
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_the_catalog_may_be_unreachable(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        backend.fail_next("workflows.list", postgres_away())
        await session.press("n")
        assert postgres_away().message in session.said
        await session.press("escape", "n", "enter")
        assert "Start order-fulfilment" in session.text


async def test_a_started_run_is_picked_up_before_the_eyes(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        await session.press("ctrl+s")
        await session.until(lambda: type(session.screen).__name__ == "RunScreen")
        await session.pass_time(5)
        assert "STEPS  following" in session.text
        assert "await-carrier" in session.line("▌")


async def test_the_payload_in_an_editor_of_ones_own(
    studio: Any, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Callable[[str], str]] = [lambda _: '{"order_id": "ORD-9", "amount": 9, "lines": []}', broken_editor]

    def in_editor(text: str) -> str:
        return answers.pop(0)(text)

    async with studio() as session:
        monkeypatch.setattr(session.app, "edit_outside", in_editor)
        await to_editor(session)
        await session.press("ctrl+e")
        assert "ORD-9" in session.text
        await session.press("ctrl+e")
        assert "the text is as it was: vi ended with code 1" in session.said
        assert "ORD-9" in session.text


async def test_s29_the_workflow_is_found_by_typing(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("n")
        await session.type("stock")
        assert "▌stock-sync" in session.text
        assert "order-fulfilment" not in session.text.split("which workflow?")[1].split("Close")[0]
        await session.type("-nothing")
        assert "no workflow has 'stock-nothing' in its name" in session.text
        await session.press(*["backspace"] * 8, "up", "down", "enter")
        assert "Start " in session.text


async def test_s29_a_payload_from_a_template_of_the_schema(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        await choose_payload(session, "template")
        text = session.screen.query_one(TextArea).text
        assert '"order_id": ""' in text
        assert '"lines": []' in text


async def test_s29_a_payload_from_a_file(studio: Any, backend: FakeBackend, tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    file.write_text('{"order_id": "ORD-77", "amount": 1, "lines": []}')
    async with studio() as session:
        await to_editor(session)
        await choose_payload(session, "file")
        assert session.app.focused.id == "file"
        session.app.focused.value = str(tmp_path / "missing.json")
        await session.press("enter")
        assert "No such file" in session.said
        session.app.focused.value = str(tmp_path)
        await session.press("enter")
        assert "is no file" in session.said
        session.app.focused.value = str(file)
        await session.press("enter")
        await session.pass_time(0.4)
        assert "ORD-77" in session.screen.query_one(TextArea).text
        await session.press("ctrl+s")
        assert sent(backend)[0].payload["order_id"] == "ORD-77"


def test_what_is_no_payload_is_not_read(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.json", tmp_path / "binary.json"
    with large.open("wb") as file:
        file.truncate(MAX_PAYLOAD_BYTES + 1)
    binary.write_bytes(b"\xff\xfe")
    for path, told in ((large, "are allowed"), (binary, "not UTF-8"), (Path("/dev/zero"), "is no file")):
        with pytest.raises(ValueError, match=told):
            read_payload(str(path))


async def test_an_edited_payload_stays_when_another_one_is_chosen(studio: Any) -> None:
    async with studio() as session:
        await to_editor(session)
        await replace_text(session, '{"order_id": "ORD-9"}')
        choice = session.screen.query_one("#payload")
        choice.focus()
        await session.press("right")
        assert "the payload was edited" in session.said
        assert choice.chosen == 0
        assert "ORD-9" in session.screen.query_one(TextArea).text
