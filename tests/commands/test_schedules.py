"""``runstudio schedules`` and ``runstudio workflows``: what is started by time, and what may start at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.settings import DEFAULT_TENANT
from engine.store.schedules.schedules import MISSED, schedule_id_of
from tests.commands.conftest import Stack
from tests.commands.steps import assign

RECURRING = {"type": "recurring", "cron": "30 7 29 2 *", "timezone": "Europe/Berlin"}
SOON = 8
"""Seconds: a publish must be done by then, also on a loaded machine, and a test waits for it."""
NOBODY = "00000000-0000-7000-8000-000000000000"
SCHEMA = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
FIRE = (
    "INSERT INTO workflow_schedule_fires (schedule_id, tenant, fire_key, scheduled_for, fired_at, status, reason)"
    " VALUES (%s, %s, %s, now(), now() - %s * interval '1 hour', %s, %s)"
)


def once(seconds: float) -> dict[str, str]:
    return {"type": "schedule", "runAt": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()}


def fires(runstudio: Stack, workflow_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = runstudio.answer("schedules", "show", workflow_id)["fires"]
    return found


@pytest.fixture(scope="module")
def recurring(runstudio: Stack) -> str:
    """The workflow of a schedule that does not fire while anybody looks, with a past that is made up."""
    runstudio.publish("cli.recurring", assign("a", n="1"), trigger=RECURRING)
    schedule = schedule_id_of(DEFAULT_TENANT, "cli.recurring")
    past = (("skipped", "CONCURRENCY_LIMIT: full"), ("skipped", MISSED), ("failed", "PAYLOAD_REJECTED: \x1b[31mno"))
    for hours, (status, reason) in enumerate(past, start=1):
        runstudio.rows(FIRE, schedule, DEFAULT_TENANT, f"made up {hours}", hours, status, reason)
    return "cli.recurring"


def test_list_tells_when_it_fires_next(runstudio: Stack, recurring: str) -> None:
    listed = runstudio.answer("schedules", "list")
    assert listed.keys() == {"schedules", "next", "serverNow"}
    [schedule] = [row for row in listed["schedules"] if row["workflow_id"] == recurring]
    assert (schedule["status"], schedule["cron"], schedule["timezone"]) == ("scheduled", "30 7 29 2 *", "Europe/Berlin")
    # Half past seven in Berlin in winter.
    assert schedule["next_fire_at"].endswith("-02-29T06:30:00.000Z")
    assert (schedule["pending"], schedule["overdue"], schedule["last_fire_at"]) == (False, False, None)
    people = runstudio("schedules", "list")
    assert people.out.splitlines()[0].split("  ")[0] == "WORKFLOW"
    [line] = [line for line in people.out.splitlines() if line.startswith(recurring)]
    assert "30 7 29 2 * Europe/Berlin" in line


def test_list_goes_on_at_its_cursor(runstudio: Stack, recurring: str) -> None:
    runstudio.publish("cli.recurring.too", trigger=RECURRING)
    first = runstudio.answer("schedules", "list", "--limit", "1")
    second = runstudio.answer("schedules", "list", "--limit", "1", "--after", first["next"])
    assert first["schedules"][0]["workflow_id"] < second["schedules"][0]["workflow_id"]
    assert runstudio("schedules", "list", "--after", "nonsense").code == 2


def test_show_tells_what_came_of_each_occurrence(runstudio: Stack, recurring: str) -> None:
    shown = runstudio.answer("schedules", "show", recurring)
    assert shown.keys() == {"schedule", "payload", "fires", "next", "nextTimes", "nextTimesProblem", "serverNow"}
    assert [time[4:] for time in shown["nextTimes"]] == ["-02-29T06:30:00.000Z"] * len(shown["nextTimes"])
    assert len(set(shown["nextTimes"])) > 1
    assert shown["nextTimesProblem"] is None
    assert [fire["outcome"] for fire in shown["fires"]] == ["skipped", "missed", "failed"]
    assert shown["fires"][0]["reason"] == "CONCURRENCY_LIMIT: full"
    people = runstudio("schedules", "show", shown["schedule"]["schedule_id"])
    assert people.code == 0
    assert "\x1b" not in people.out
    for fire, line in zip(shown["fires"], people.out.splitlines()[-3:], strict=True):
        assert fire["outcome"] in line.split()
    assert "PAYLOAD_REJECTED: ␛[31mno" in people.out
    page = runstudio.answer("schedules", "show", recurring, "--limit", "2")
    rest = runstudio.answer("schedules", "show", recurring, "--limit", "2", "--after", page["next"])
    assert ([fire["outcome"] for fire in rest["fires"]], rest["next"]) == (["failed"], None)


def test_a_schedule_that_is_late_says_so(runstudio: Stack) -> None:
    runstudio.publish("cli.late", trigger=RECURRING)
    runstudio.rows(
        "UPDATE workflow_schedules SET next_fire_at = now() - interval '1 hour' WHERE workflow_id = 'cli.late'"
    )
    assert runstudio.answer("schedules", "show", "cli.late")["schedule"]["overdue"] is True
    people = runstudio("schedules", "show", "cli.late").out
    assert "scheduled, overdue" in people
    assert "runstudio doctor" in people


def test_a_schedule_nobody_knows(runstudio: Stack) -> None:
    for named in ("cli.nobody", NOBODY, "", "\x1b[31m"):
        for command in (("show", named), ("payload", named, "-")):
            unknown = runstudio("schedules", *command, "--json", stdin="{}")
            assert (unknown.code, unknown.out, unknown.refusal["code"]) == (3, "", "SCHEDULE_NOT_FOUND")


def test_the_run_that_was_started_is_named(runstudio: Stack) -> None:
    # The payload is that of the schedule, and stays when another version moves the time.
    runstudio.publish("cli.once", assign("a", n="payload.n"), trigger=once(86_400))
    runstudio.answer("schedules", "payload", "cli.once", "-", stdin='{"n": 4, "password": "hidden-4711"}')
    runstudio.publish("cli.once", assign("a", n="payload.n"), trigger=once(SOON))
    [fire] = runstudio.until(lambda: fires(runstudio, "cli.once"))
    assert (fire["outcome"], fire["reason"]) == ("started", None)
    assert runstudio.ended(fire["run_id"]) == "SUCCEEDED"
    shown = runstudio("schedules", "show", "cli.once", "--json")
    assert (shown.json["schedule"]["status"], shown.json["fires"][0]["run_status"]) == ("completed", "SUCCEEDED")
    assert shown.json["payload"]["masked"] == ["/password"]
    assert "hidden-4711" not in shown.out
    assert f"{fire['run_id']} SUCCEEDED" in runstudio("schedules", "show", "cli.once").out


def test_what_comes_due_during_a_pause_is_queued_and_starts_after_it(runstudio: Stack) -> None:
    runstudio.publish("cli.queued")
    runstudio.answer("workflows", "pause", "cli.queued", "--reason", "holiday")
    runstudio.publish("cli.queued", trigger=once(SOON))
    [fire] = runstudio.until(lambda: fires(runstudio, "cli.queued"))
    assert (fire["outcome"], fire["reason"].partition(":")[0]) == ("started", "Queued")
    assert runstudio.answer("runs", "show", fire["run_id"])["run"]["row"]["launch_state"] == "queued"
    assert runstudio("workflows", "unpause", "cli.queued").out == "cli.queued is active\n"
    runstudio.until(lambda: runstudio.answer("runs", "show", fire["run_id"])["run"]["row"]["status"] == "SUCCEEDED")


def test_a_pause_skips_where_that_is_wanted_and_says_so(runstudio: Stack) -> None:
    runstudio.publish("cli.swallowed")
    assert runstudio("workflows", "limit", "cli.swallowed", "none", "--when-busy", "skip").code == 0
    paused = runstudio.answer("workflows", "pause", "cli.swallowed", "--reason", "holiday")
    assert paused == {"workflowId": "cli.swallowed", "paused": True}
    runstudio.publish("cli.swallowed", trigger=once(SOON))
    assert runstudio.answer("schedules", "show", "cli.swallowed")["schedule"]["status"] == "paused"
    runstudio.until(
        lambda: runstudio.rows(
            "SELECT 1 FROM workflow_schedules WHERE workflow_id = 'cli.swallowed' AND run_at < now()"
        )
    )
    assert runstudio("workflows", "unpause", "cli.swallowed").out == "cli.swallowed is active\n"
    [fire] = fires(runstudio, "cli.swallowed")
    assert (fire["outcome"], fire["reason"], fire["run_id"]) == (
        "skipped",
        "The workflow was paused at that time.",
        None,
    )


def test_a_payload_that_does_not_fit_fails_and_is_refused_beforehand(runstudio: Stack) -> None:
    body = {"id": "cli.unfit", "version": 1, "name": "x", "payloadSchemaRef": "payload.Unfit.v1", "steps": []}
    file = runstudio.file("unfit.json", {**body, "trigger": once(SOON)})
    runstudio.answer("publish", file, "--payload-schema", runstudio.file("unfit.schema.json", SCHEMA))
    for given, code in (("{}", "PAYLOAD_REJECTED"), ("[]", "PAYLOAD_NOT_OBJECT"), ("NaN", "JSON_NUMBER_NOT_FINITE")):
        refused = runstudio("schedules", "payload", "cli.unfit", "-", "--json", stdin=given)
        assert (refused.code, refused.refusal["code"]) == (2, code)
    [fire] = runstudio.until(lambda: fires(runstudio, "cli.unfit"))
    assert fire["outcome"] == "failed"
    assert fire["reason"].startswith("PAYLOAD_REJECTED: ")


def test_workflows_are_listed_and_shown(runstudio: Stack, recurring: str) -> None:
    listed = runstudio.answer("workflows", "list")
    [row] = [row for row in listed["workflows"] if row["workflow_id"] == recurring]
    assert (row["published_version"], row["paused"], row["trigger"]) == (1, False, RECURRING)
    [line] = [line for line in runstudio("workflows", "list").out.splitlines() if line.startswith(f"{recurring} ")]
    assert line.split()[:9] == [recurring, recurring, "1", "0", "recurring", *["30", "7", "29", "2"]]
    assert line.split()[-1] == "active"
    assert "-02-29 " in line
    shown = runstudio.answer("workflows", "show", recurring)
    assert shown.keys() == {"workflow", "versions", "callers"}
    assert (shown["workflow"]["limit"], shown["workflow"]["active"]["value"], shown["callers"]) == (0, 0, [])
    [version] = shown["versions"]
    assert (version["version"], len(version["definition_hash"])) == (1, 64)
    people = runstudio("workflows", "show", recurring).out
    assert "started by recurring 30 7 29 2 *" in people
    assert version["published_by"] in people.splitlines()[-1].split()
    definition = runstudio("workflows", "show", recurring, "--version", "1")
    assert json.loads(definition.out)["trigger"] == RECURRING
    assert runstudio("workflows", "show", recurring, "--version", "99999999999").code == 3


def test_steps_and_differences_of_versions(runstudio: Stack) -> None:
    runstudio.publish(
        "cli.versions", assign("keep", n="1"), assign("change", n="1"), assign("more", n="1"), assign("gone", n="1")
    )
    only = runstudio("workflows", "diff", "cli.versions", "--json")
    assert (only.code, only.refusal["code"]) == (4, "ONE_VERSION_ONLY")
    new = assign("new", n="1", password="'hidden-4711'")
    runstudio.publish("cli.versions", new, assign("change", n="2"), assign("more", n="1"), assign("keep", n="1"))
    steps = runstudio.answer("workflows", "show", "cli.versions", "--steps")["steps"]
    assert [(step["stepId"], step["path"], step["depth"]) for step in steps] == [
        ("new", "root.steps[0]", 0),
        ("change", "root.steps[1]", 0),
        ("more", "root.steps[2]", 0),
        ("keep", "root.steps[3]", 0),
    ]
    assert runstudio("workflows", "show", "cli.versions", "--steps", "--version", "1").out.split() == [
        word for step in ("keep", "change", "more", "gone") for word in (step, "transform.assign")
    ]
    told = runstudio.answer("workflows", "diff", "cli.versions")
    assert (told["workflowId"], told["from"], told["to"]) == ("cli.versions", 1, 2)
    changed = {change["stepId"]: change for change in told["changes"]}
    assert {step_id: change["change"] for step_id, change in changed.items()} == {
        "new": "added", "change": "changed", "keep": "moved", "gone": "removed",
    }  # fmt: skip
    assert changed["keep"] == {
        "change": "moved", "part": "step", "stepId": "keep", "path": "root.steps[3]", "wasPath": "root.steps[0]",
    }  # fmt: skip
    [field] = changed["change"]["fields"]
    assert (field["op"], field["path"].split("/")[1], field["value"], field["was"]) == ("replace", "config", "2", "1")
    people = runstudio("workflows", "diff", "cli.versions", "1", "2").out
    assert "+ added new" in people
    assert '"2"  was "1"' in people
    assert "hidden-4711" not in people
    assert runstudio.answer("workflows", "diff", "cli.versions", "2", "2")["changes"] == []
    assert runstudio("workflows", "diff", "cli.versions", "1", "9").code == 3


def test_a_pause_is_told_with_who_and_why(runstudio: Stack) -> None:
    runstudio.publish("cli.resting")
    short = runstudio("workflows", "pause", "cli.resting", "--reason", "x", "--json")
    assert (short.code, short.refusal["code"]) == (2, "REASON_TOO_SHORT")
    runstudio.answer("workflows", "pause", "cli.resting", "--reason", "holiday \x1b[31mred")
    shown = runstudio.answer("workflows", "show", "cli.resting")["workflow"]
    assert (shown["paused"], shown["pause"]["reason"]) == (True, "holiday \x1b[31mred")
    listed = runstudio("workflows", "list").out
    [line] = [line for line in listed.splitlines() if line.startswith("cli.resting ")]
    assert line.endswith(f" by {shown['pause']['by']}: holiday ␛[31mred")


def test_what_did_not_change_is_not_published_again(runstudio: Stack) -> None:
    body = {
        "id": "cli.same",
        "version": 1,
        "name": "x",
        "payloadSchemaRef": "payload.Any.v1",
        "steps": [assign("a", n="1")],
    }
    file = runstudio.file("same.json", body)
    assert runstudio.answer("publish", file)["created"] is True
    again = runstudio.answer("publish", file, "--if-changed")
    assert (again["created"], again["version"]) == (False, 1)
    assert "which is the same; nothing was written" in runstudio("publish", file, "--if-changed").out
    assert runstudio.answer("publish", file)["version"] == 2


def test_a_schedule_is_fired_by_hand(runstudio: Stack) -> None:
    runstudio.publish("cli.fired", assign("a", n="payload.n"), trigger=RECURRING)
    runstudio.answer("schedules", "payload", "cli.fired", "-", stdin='{"n": 4}')
    started = runstudio.answer("schedules", "fire", "cli.fired", "--reason", "it was lost", "--idempotency-key", "f-1")
    assert (started["created"], started["pending"], started["version"]) == (True, False, 1)
    again = runstudio.answer("schedules", "fire", "cli.fired", "--reason", "it was lost", "--idempotency-key", "f-1")
    assert (again["runId"], again["created"]) == (started["runId"], False)
    assert runstudio.ended(started["runId"]) == "SUCCEEDED"
    [fire] = fires(runstudio, "cli.fired")
    assert (fire["outcome"], fire["run_id"]) == ("started", started["runId"])
    assert fire["reason"].endswith(": it was lost")
    assert runstudio.answer("schedules", "show", "cli.fired")["schedule"]["next_fire_at"] is not None
    for words, code, name in (
        (("cli.fired", "--reason", "x"), 2, "REASON_TOO_SHORT"),
        (("cli.nobody", "--reason", "by hand"), 3, "SCHEDULE_NOT_FOUND"),
        (("cli.fired", "other", "--reason", "by hand", "--idempotency-key", "k"), 2, "ONE_SCHEDULE_ONLY"),
        (("cli.fired", "--reason", "by hand", "--idempotency-key", ""), 2, "KEY_INVALID"),
    ):
        refused = runstudio("schedules", "fire", *words, "--json")
        assert (refused.code, refused.refusal["code"]) == (code, name)
    several = runstudio("schedules", "fire", "cli.fired", "cli.nobody", "--reason", "by hand", "--json")
    assert (several.code, [one["result"] == "refused" for one in several.json["results"]]) == (1, [False, True])
    # Named by its own id and by its workflow's it is one schedule, and is fired once.
    both = ("cli.fired", schedule_id_of(DEFAULT_TENANT, "cli.fired"))
    twice = runstudio.answer("schedules", "fire", *both, "--reason", "by hand")["results"]
    assert len({one["result"] for one in twice}) == 1


def test_active_runs_are_limited(runstudio: Stack, recurring: str) -> None:
    assert runstudio.answer("workflows", "limit", recurring, "3") == {"workflowId": recurring, "limit": 3}
    question = "SELECT concurrency_limit FROM workflow_definitions WHERE workflow_id = %s"
    assert runstudio.rows(question, recurring) == [(3,)]
    for wrong in ("-1", "2147483648", "many", "1.5", ""):
        refused = runstudio("workflows", "limit", "--json", recurring, "--", wrong)
        assert (refused.code, refused.refusal["code"]) == (2, "LIMIT_INVALID")
    assert runstudio.rows(question, recurring) == [(3,)]
    assert runstudio.answer("workflows", "show", recurring)["workflow"]["limit"] == 3
    assert runstudio.answer("workflows", "limit", recurring, "none") == {"workflowId": recurring, "limit": 0}


def test_a_workflow_nobody_knows(runstudio: Stack) -> None:
    for command in (("pause",), ("unpause",), ("show",), ("show", "--steps"), ("diff",), ("limit", "1")):
        unknown = runstudio("workflows", command[0], "cli.nobody", *command[1:], "--json")
        assert (unknown.code, unknown.out, unknown.refusal["code"]) == (3, "", "WORKFLOW_NOT_FOUND")
