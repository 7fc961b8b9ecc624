"""The filter line."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records import RunFilter, RunOrder, RunStatus, WaitKind
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.domain.filter_text import KEYS, parse_filter
from runstudio_tui.domain.filter_words import FilterKey, completions, read_words, with_value

NOW = datetime(2026, 1, 15, 10, 43, tzinfo=UTC)
RUN = "0198c2aa-0000-7000-8000-00000000000"


def test_the_whole_grammar() -> None:
    text = (
        "status:failed,running wf:billing v:3 since:2h until:10m waiting:event,quota err:TIMEOUT try:4 id:0198C2 key:ORD-1 "
        f"event:evt-1 trigger:manual replay:{RUN}1 parent:{RUN}2 root:{RUN}3 launch:Failed sort:updated:asc "
        '"two words" more'
    )
    parsed = parse_filter(text)
    assert parsed.problems == ()
    assert parsed.resolve(NOW, UTC) == RunFilter(
        statuses=frozenset({RunStatus.FAILED, RunStatus.RUNNING}),
        workflow="billing",
        version=3,
        started_from=NOW - timedelta(hours=2),
        started_before=NOW - timedelta(minutes=10),
        waiting_on=frozenset({WaitKind.EVENT, WaitKind.QUOTA}),
        error_code="TIMEOUT",
        min_attempt=4,
        run_id_prefix="0198c2",
        wait_key="ORD-1",
        event_id="evt-1",
        trigger="manual",
        replay_of=f"{RUN}1",
        parent=f"{RUN}2",
        root=f"{RUN}3",
        launch="failed",
        order=RunOrder.UPDATED_ASC,
        text="two words more",
    )


def test_ranges_are_instants_not_days() -> None:
    assert parse_filter("since:24h").resolve(NOW, UTC).started_from == NOW - timedelta(hours=24)
    zone = timezone(timedelta(hours=2))
    assert parse_filter("since:today").resolve(NOW, zone).started_from == datetime(2026, 1, 14, 22, tzinfo=UTC)
    assert parse_filter("since:2026-01-10").resolve(NOW, zone).started_from == datetime(2026, 1, 9, 22, tzinfo=UTC)
    assert parse_filter("since:2026-01-10t09:30z").resolve(NOW, zone).started_from == datetime(
        2026, 1, 10, 9, 30, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("statsu:failed", "did you mean status:?"),
        ("colour:red", "keys are"),
        ("status:", "needs a value"),
        ("status:faild", "did you mean failed?"),
        ("status:stuck,running", "stands alone"),
        ("v:0", "whole number from 1"),
        ("v:-1", "whole number from 1"),
        ("v:1.5", "whole number from 1"),
        ("v:²", "whole number from 1"),
        ("since:soon", "is no time"),
        ("since:2026-13-45", "is no time"),
        ("waiting:tea", "not known"),
        ("waiting:timeout", "not known"),
        ("launch:started", "one of pending, queued, failed"),
        ("launch:faild", "did you mean failed?"),
        ("id:0198%", "a run id has digits"),
        ("parent:nobody", "'nobody' is not the id of a run"),
        ("err:a\0b", "no stored text can have"),
        ("a\0b", "no stored text can have"),
        ("WF:crm", "wf: is given twice"),
        ("since:1d since:1h", "since: is given twice"),
        ("id:0198c2 0198c2aa-0000", "id: is given twice"),
        ("0198c2aa-0000 0198c2bb-0000", "id: is given twice"),
        ("status=failed", "a condition is written status:VALUE;"),
        ("Status!=failed", "status:VALUE, and cannot be turned round;"),
        ("status<>failed", "cannot be turned round"),
        ("-status:failed", "cannot be turned round"),
        ("!err:TIMEOUT", "cannot be turned round"),
        ("try>3", "a condition is written try:VALUE;"),
        ("since>=2h", "a condition is written since:VALUE;"),
        ('key:"ORD 1', "its quote is not closed"),
        ('"two words', "its quote is not closed"),
        ('"', "its quote is not closed"),
        ('key:"', "its quote is not closed"),
        ('""', "its quotes are empty"),
        ('"  "', "its quotes are empty"),
        ('key:""', "needs a value"),
    ],
)
def test_what_is_not_understood_is_said(text: str, said: str) -> None:
    parsed = parse_filter(f"wf:billing {text}")
    assert len(parsed.problems) == 1
    assert said in parsed.problems[0].message
    assert parsed.query.workflow == "billing"


def _set_by(text: str) -> set[str]:
    wanted, nothing = parse_filter(text).resolve(NOW, UTC), RunFilter()
    return {item.name for item in fields(RunFilter) if getattr(wanted, item.name) != getattr(nothing, item.name)}


SAMPLES = (
    "status:canceled", "status:stuck", "wf:nothing", "v:99", "since:1s", "until:9000d", "waiting:quota", "err:NEVER", "try:99",
    "id:ffff", "key:NEVER", "event:NEVER", "trigger:schedule", f"replay:{RUN}1", f"parent:{RUN}2", f"root:{RUN}3",
    "launch:pending", "launch:failed", "nothing", "sort:updated:asc",
)  # fmt: skip
"""Every key, each with a value that few runs of the demo have or none."""


def test_every_condition_of_a_list_has_a_key() -> None:
    assert {text.partition(":")[0] for text in SAMPLES if ":" in text} == {key.key for key in KEYS}
    assert set().union(*(_set_by(text) for text in SAMPLES)) == {item.name for item in fields(RunFilter)}


def test_the_fake_world_applies_every_condition() -> None:
    world = demo_backend(ManualClock(NOW), past=30).world
    for text in SAMPLES:
        found = world.select(parse_filter(text).resolve(NOW, UTC))
        assert (len(found) < len(world.runs)) is (not text.startswith("sort:")), text


def test_runs_are_found_by_their_launch() -> None:
    world = demo_backend(ManualClock(NOW), past=30).world
    waiting, refused = list(world.runs.values())[:2]
    waiting.change(NOW, launch_state="pending")
    refused.change(NOW, launch_state="failed")
    assert [row.run_id for row in world.select(parse_filter("launch:pending").query)] == [waiting.row.run_id]
    assert [row.run_id for row in world.select(parse_filter("launch:failed").query)] == [refused.row.run_id]
    assert completions("launch:f", KEYS)[0] == "launch:failed"


@pytest.mark.parametrize("text", ["a=b", "-x:y", "order-status", '"status=failed"', "a>b", "(status=failed)", 'x"y'])
def test_other_texts_with_such_signs_are_searched(text: str) -> None:
    parsed = parse_filter(text)
    assert parsed.problems == ()
    assert parsed.query.text == text.strip('"')


def test_other_lists_say_it_too() -> None:
    [problem] = read_words("name=order.paid", (FilterKey("name", ""),)).problems
    assert problem.message == "a condition is written name:VALUE; a text to search, in quotes"


def test_the_command_line_page_names_every_key() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    filters = page.partition("## The filter")[2]
    assert [key.key for key in KEYS if f"`{key.key}:" not in filters] == []


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    parse_filter(text).resolve(NOW, UTC)
    completions(text, KEYS)


@given(st.from_regex(r"(since|until):[0-9]{1,6}[smhdw]", fullmatch=True))
def test_any_span_resolves(text: str) -> None:
    parse_filter(text).resolve(NOW, UTC)


def test_sql_is_only_text() -> None:
    parsed = parse_filter("wf:a';DROP key:%_\\ text'--")
    assert parsed.query.workflow == "a';DROP"
    assert parsed.query.wait_key == "%_\\"
    assert parsed.query.text == "text'--"


def test_setting_a_key_keeps_the_rest() -> None:
    text = 'status:failed wf:a "b c"'
    assert with_value(text, "status", "running") == 'status:running wf:a "b c"'
    assert with_value(text, "status", "") == 'wf:a "b c"'
    assert with_value(text, "since", "2h") == 'status:failed wf:a "b c" since:2h'


def test_other_lists_take_a_key_once_too() -> None:
    """Words are joined with AND: of two values one would count for nothing, and what is listed would be something else."""
    [problem] = read_words(
        "name:order.paid since:2h name:order.lost", (FilterKey("name", ""), FilterKey("since", ""))
    ).problems
    assert (problem.token, problem.message) == ("name:order.lost", "name: is given twice")


def test_completion() -> None:
    assert completions("sta", KEYS)[0] == "status:"
    assert completions("wf:a status:fa", KEYS)[0] == "wf:a status:failed"
    assert completions("status:failed,ru", KEYS)[0] == "status:failed,running"
    assert completions("s", KEYS) == ["status:", "since:", "sort:"]
    # A key that has a value takes no other.
    assert completions("status:failed ", KEYS)[:2] == ["status:failed wf:", "status:failed v:"]
    assert completions("nothing", KEYS) == []
