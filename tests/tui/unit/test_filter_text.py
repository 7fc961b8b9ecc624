"""The filter line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstudio_tui.domain.filter_text import complete, parse_filter, with_value
from runstudio_tui.domain.models import RunStatus, WaitKind
from runstudio_tui.domain.query import RunQuery, Sort

NOW = datetime(2026, 1, 15, 10, 43, tzinfo=UTC)


def test_the_whole_grammar() -> None:
    text = (
        "status:failed,running wf:billing v:3 since:2h until:10m waiting:event,quota err:TIMEOUT try:4 id:0198C2 key:ORD-1 "
        'event:evt-1 trigger:manual replay:r1 parent:p1 root:q1 sort:updated:asc "two words" more'
    )
    parsed = parse_filter(text)
    assert parsed.problems == ()
    assert parsed.resolve(NOW, UTC) == RunQuery(
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
        replay_of="r1",
        parent="p1",
        root="q1",
        sort=Sort.UPDATED_ASC,
        text="two words more",
    )


def test_ranges_are_instants_not_days() -> None:
    assert parse_filter("since:24h").resolve(NOW, UTC).started_from == NOW - timedelta(hours=24)
    zone = timezone(timedelta(hours=2))
    assert parse_filter("since:today").resolve(NOW, zone).started_from == datetime(2026, 1, 14, 22, tzinfo=UTC)
    assert parse_filter("since:2026-01-10").resolve(NOW, zone).started_from == datetime(2026, 1, 9, 22, tzinfo=UTC)


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
    ],
)
def test_what_is_not_understood_is_said(text: str, said: str) -> None:
    parsed = parse_filter(f"wf:billing {text}")
    assert len(parsed.problems) == 1
    assert said in parsed.problems[0].message
    assert parsed.query.workflow == "billing"


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    parse_filter(text).resolve(NOW, UTC)
    complete(text)


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


def test_completion() -> None:
    assert complete("sta") == "status:"
    assert complete("wf:a status:fa") == "wf:a status:failed"
    assert complete("status:failed,ru") == "status:failed,running"
    assert complete("status:failed ") is None
    assert complete("") is None
