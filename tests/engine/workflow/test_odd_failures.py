"""Failures that no row, or Temporal, can hold as they are, and failures that look like those of the database."""

from __future__ import annotations

import pytest

from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import attempt, call, call_workflow, expression, set_state

HALF = call("p", "transform.parse_json", source='"a\\ud800b"')
UNTIL = {"id": "w", "type": "time.wait", "config": {"mode": "until", "until": expression("vars.p.value")}}


@pytest.mark.parametrize("what", ["file", "service"])
async def test_what_fails_beside_the_database_is_no_outage_of_it(what: str, bench: Bench) -> None:
    run = await bench.play([attempt("t", [call("b", "test.breaks", label="b", what=what)], [set_state("c")])])
    caught = (await run.row())["output_json"]["caught"]
    assert (caught["code"], caught["message"], bench.counts.ran["b"]) == ("INTERNAL_ERROR", what, 1)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("commit", "TRANSACTION_ENDED"),
        ("ROLLBACK", "TRANSACTION_ENDED"),
        ("swallow", "TRANSACTION_FAILED"),
        ("ROLLBACK AND CHAIN", "SESSION_CHANGED"),
        ("SET datestyle = 'German, DMY'", "SESSION_CHANGED"),
    ],
)
async def test_an_action_that_spoils_its_transaction_is_done_once(what: str, code: str, bench: Bench) -> None:
    """Its outcome can be written with it no more, so the step fails; it was repeated for ever, with what it had committed."""
    run = await bench.play([
        attempt("t", [call("b", "test.breaks", label="b", what=what)], [set_state("c")]),
        call("after", "test.writes", label="after"),
    ])  # fmt: skip
    row = await run.row()
    assert (row["status"], row["output_json"]["caught"]["code"], bench.counts.ran["b"]) == ("SUCCEEDED", code, 1)


TOO_MUCH = """
    DO $$ BEGIN
        PERFORM set_config('work_mem', '64kB', true), set_config('temp_file_limit', '64kB', true);
        PERFORM count(*) FROM (SELECT repeat('x', 100) || n FROM generate_series(1, 100000) AS n ORDER BY 1) AS sorted;
    END $$
"""


async def test_a_limit_of_files_that_a_statement_meets_is_its_failure(bench: Bench) -> None:
    """It is not that of a disk: it would be met every time, and was for ever."""
    run = await bench.play([attempt("t", [call("b", "test.breaks", label="b", what=TOO_MUCH)], [set_state("c")])])
    caught = (await run.row())["output_json"]["caught"]
    assert (caught["category"], caught["code"], caught["details"]) == (
        "TimeoutError",
        "STATEMENT_LIMIT",
        {"sqlstate": "53400"},
    )


async def test_a_failure_that_is_no_json_fails_its_step(bench: Bench) -> None:
    details = call("x", "test.fails", category="ActionError", message="no", code="E", details="=vars.d.value")
    run = await bench.play([
        call("d", "transform.parse_json", source='{"\\ud800":1}'),
        attempt("t", [details], [set_state("c")]),
    ])  # fmt: skip
    row = await run.row()
    assert (row["status"], row["output_json"]["caught"]["code"]) == ("SUCCEEDED", "E")


async def test_a_parent_is_told_of_a_failure_with_half_of_a_surrogate_pair(bench: Bench) -> None:
    await bench.publish([HALF, UNTIL], "wf.child")
    run = await bench.play([call_workflow("c", "wf.child")])
    error = (await run.row())["error_json"]
    assert (error["code"], error["details"]["cause"]["message"]) == (
        "INVALID_TIME",
        'time.wait until: "a\ufffdb" is not an ISO-8601 time',
    )
