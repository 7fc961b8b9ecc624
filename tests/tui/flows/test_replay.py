"""Replaying one run: what is sent of the text and what is not, what is said, and where one is afterwards."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from engine.records import MAX_PAYLOAD_BYTES, PLACEHOLDER, Document, JsonChange, Level, Original, Patch
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.refunds import PAYLOAD
from runstudio_tui.domain.jsonview import pretty
from runstudio_tui.widgets.json_editor import JsonEditor
from tests.tui.flows.replaying import edit, opened, refunds, runs, sent, title

__all__ = ["refunds", "runs"]


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_an_unedited_replay_sends_the_original_and_nothing_of_the_text(
    studio: Any, refunds: FakeBackend, runs: dict[str, str]
) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        assert "Replay refund" in title(session)
        assert "original input" in title(session)
        assert "unmasked on the server. Nothing of this text" in session.text
        await session.press("ctrl+s")
        assert sent(refunds) == [(runs["failed"], "mail is back", Original(), None, sent(refunds)[0][4])]
        assert type(session.screen).__name__ == "RunScreen"
        new = session.screen.run_id
        assert new not in runs.values()
        assert refunds.world.runs[new].row.replay_of == runs["failed"]
        assert f"started {new}" in session.note


async def test_the_new_run_leads_back_to_its_source(studio: Any, refunds: FakeBackend, runs: dict[str, str]) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await session.press("ctrl+s")
        await session.pass_time(1)
        new = session.screen.run_id
        assert f"replay of {runs['failed'][:6]}" in session.text
        where = session.text.split("\n").index(session.line("replay of "))
        at = session.line("replay of ").index("replay of ")
        await session.pilot.click(offset=(at + 2, where))
        await session.settle()
        assert session.screen.run_id == runs["failed"]
        assert f"replayed by {new[:6]}" in session.text, session.text


async def test_from_the_screen_of_a_run(studio: Any, refunds: FakeBackend, runs: dict[str, str]) -> None:
    async with studio(on=refunds, run_id=runs["failed"]) as session:
        await opened(session)
        await session.press("ctrl+s")
        assert [call[0] for call in sent(refunds)] == [runs["failed"]]
        assert session.screen.run_id not in runs.values()
        await session.press("escape")
        await session.pass_time(1)
        assert session.screen.run_id == runs["failed"]
        assert "replayed by" in session.text


@pytest.mark.parametrize("name", ["stuck", "succeeded", "old"])
async def test_a_run_in_any_state_can_be_replayed(
    studio: Any, refunds: FakeBackend, runs: dict[str, str], name: str
) -> None:
    async with studio(on=refunds, run_id=runs[name]) as session:
        await opened(session)
        await session.press("ctrl+s")
        assert [call[0] for call in sent(refunds)] == [runs[name]]
        assert session.screen.run_id not in runs.values()


async def test_an_edit_sends_exactly_its_changes(studio: Any, refunds: FakeBackend, runs: dict[str, str]) -> None:
    async with studio(on=refunds, size=(120, 36)) as session:
        await opened(session)
        edited = json.loads(json.dumps(PAYLOAD))
        edited["amount"] = 90
        edited["customer"]["vip"] = True
        del edited["lines"][0]
        await edit(session, edited)
        assert "edited: 3 changes" in title(session)
        assert "│ ~  3  " in session.line("was 80")
        assert "│ + 14  " in session.line("added")
        assert "entry removed" in session.line('"lines": [')
        assert "⚿ kept from original" in session.line('"card_token"')
        assert "⚿ kept from original" in session.line('"api_key"')
        assert "Sent: the original with 3 changes: /amount, /lines/0, /customer/vip" in session.text
        await session.press("ctrl+s")
        base = await refunds.runs.replay_base(runs["failed"])
        changes = (
            JsonChange("replace", "/amount", 90),
            JsonChange("remove", "/lines/0"),
            JsonChange("add", "/customer/vip", True),
        )
        assert sent(refunds)[0][2] == Patch(base.digest, changes)
        assert PLACEHOLDER not in repr(sent(refunds)[0])
        new = refunds.world.runs[session.screen.run_id]
        assert new.payload == Document(edited, frozenset({"/card_token", "/customer/api_key"}))


@pytest.mark.parametrize(
    "same",
    [
        json.dumps(PAYLOAD),
        json.dumps(dict(reversed(PAYLOAD.items())), indent=8),
        f"\n{pretty(PAYLOAD)}\n\n",
    ],
    ids=["without blanks", "in another order", "with more lines"],
)
async def test_whitespace_and_order_are_no_edit(studio: Any, refunds: FakeBackend, same: str) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, same)
        assert "original input" in title(session)
        await session.press("ctrl+s")
        assert sent(refunds)[0][2] == Original()


async def test_an_edit_that_was_undone_by_hand_is_none(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await session.press("enter")
        assert session.app.focused is session.screen.query_one(JsonEditor)
        await session.press("down", "down", "end", "left", "7")
        assert "edited: 1 change" in title(session)
        assert "was 80" in session.line('"amount": 807')
        await session.press("backspace")
        assert "original input" in title(session)
        assert "was 80" not in session.text
        await session.press("ctrl+s")
        assert sent(refunds)[0][2] == Original()


@pytest.mark.parametrize(("amount", "typed"), [(80.0, "80.0"), (True, "true"), ("80", '"80"')])
async def test_another_type_is_an_edit(studio: Any, refunds: FakeBackend, amount: Any, typed: str) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, pretty(PAYLOAD).replace('"amount": 80', f'"amount": {typed}'))
        assert "edited: 1 change" in title(session)
        await session.press("ctrl+s")
        [change] = sent(refunds)[0][2].changes
        assert (change.path, change.value, type(change.value)) == ("/amount", amount, type(amount))


async def test_a_hidden_value_can_be_replaced(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "card_token": "tok_2"})
        await session.press("ctrl+s")
        assert sent(refunds)[0][2].changes == (JsonChange("replace", "/card_token", "tok_2"),)


async def test_another_version(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        assert "(•) 3, as then  ( ) 5, published now" in session.text
        session.screen.query_one("#version").focus()
        await session.press("right", "ctrl+s")
        assert sent(refunds)[0][3] == 5
        assert refunds.world.runs[session.screen.run_id].row.version == 5


async def test_the_text_in_an_editor_of_ones_own(
    studio: Any, refunds: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    answer: list[str] = [pretty({**PAYLOAD, "amount": 1})]

    def in_editor(text: str) -> str:
        given.append(text)
        if not answer:
            raise OSError("vi ended with code 1")
        return answer.pop()

    async with studio(on=refunds) as session:
        monkeypatch.setattr(session.app, "edit_outside", in_editor)
        await opened(session)
        await session.press("enter", "ctrl+e")
        assert given == [pretty(PAYLOAD)]
        assert "edited: 1 change" in title(session)
        await session.press("ctrl+e")
        assert "the text is as it was: vi ended with code 1" in session.said
        assert "edited: 1 change" in title(session)
        await session.press("ctrl+s")
        assert sent(refunds)[0][2].changes == (JsonChange("replace", "/amount", 1),)


# --- what is not sent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "above", "said"),
    [
        ("", "not valid JSON: line 1, column 1", "there is nothing here"),
        ('{\n  "amount": 1,\n  "amount": 2\n}', "not valid JSON: line 3, column 3", "given twice"),
        ('{\n  "amount": NaN\n}', "not valid JSON: line 2, column 13", "NaN is not JSON"),
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", "not valid JSON: line 1, column 206", "deeper than 200 levels"),
        ("[1, 2]", "edited: 1 change", "must be a JSON object"),
        ({**PAYLOAD, "amount": PLACEHOLDER}, "edited: 1 change", "/amount: a hidden value cannot be typed"),
        ({**PAYLOAD, "copy": PLACEHOLDER}, "edited: 1 change", "/copy: a hidden value cannot be typed"),
    ],
    ids=["empty", "repeated name", "no number", "too deep", "no object", "typed placeholder", "copied placeholder"],
)
async def test_what_cannot_be_sent_says_why_and_stays(
    studio: Any, refunds: FakeBackend, text: Any, above: str, said: str
) -> None:
    async with studio(on=refunds, size=(120, 36)) as session:
        await opened(session)
        await edit(session, text)
        assert above in title(session)
        assert said in session.said
        await session.press("ctrl+s")
        assert sent(refunds) == []
        await session.press("ctrl+t")
        assert refunds.called("runs.preview") == []
        assert said in session.said
        assert "✖" in session.text


async def test_a_mistake_is_shown_at_its_line(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, '{\n  "amount" 80\n}')
        assert "✖ 2" in session.line('"amount" 80')
        assert "expecting ':' delimiter" in session.line('"amount" 80')


async def test_what_is_too_large_is_told_before_it_is_sent(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "note": "x" * MAX_PAYLOAD_BYTES})
        assert "…" in title(session)
        await session.pass_time(0.4)
        assert "512.0 KB are allowed" in session.said
        await session.press("ctrl+s")
        assert sent(refunds) == []


async def test_a_large_text_is_looked_at_before_it_is_sent_although_one_is_quick(
    studio: Any, refunds: FakeBackend
) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "note": "x" * 40_000})
        await session.press("ctrl+s")
        assert sent(refunds)[0][2].changes == (JsonChange("add", "/note", "x" * 40_000),)


async def test_without_a_reason_nothing_is_sent(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session, reason="ab ")
        await session.press("ctrl+s")
        assert "a reason of at least 3 characters is needed" in session.said
        assert sent(refunds) == []
        await session.type("c")
        await session.press("ctrl+s")
        assert sent(refunds)[0][1] == "ab c"


async def test_a_run_without_a_stored_input_is_not_offered(
    studio: Any, refunds: FakeBackend, runs: dict[str, str]
) -> None:
    async with studio(on=refunds, run_id=runs["without input"]) as session:
        await session.press("r")
        assert "its input was never stored" in session.note
        assert type(session.screen).__name__ == "RunScreen"
    async with studio(on=refunds, size=(120, 36)) as session:
        await session.press("down", "down", "down")
        assert session.screen.current.run_id == runs["without input"]
        await opened(session, reason="")
        assert "was never stored" in session.said
        await session.press("ctrl+s", "ctrl+t", "ctrl+e")
        assert sent(refunds) == []
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


@pytest.mark.parametrize("settings", [{"read_only": True}, {}], ids=["read-only", "operator"])
async def test_whoever_may_not_is_told_so(studio: Any, refunds: FakeBackend, settings: dict[str, Any]) -> None:
    if not settings:
        refunds.world.session = replace(refunds.world.session, level=Level.OPERATE)
    async with studio(on=refunds, **settings) as session:
        await session.press("r")
        assert "this needs the admin level" in session.note
        assert refunds.called("runs.replay_base") == []
