"""``--reveal``: one document with nothing masked, for an admin with a reason, audited; without it everything is masked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.conftest import Stack
from tests.commands.steps import assign, echo, wait

SECRET = "kanarie-4711"
WHY = ("--reason", "a customer asked")


@pytest.fixture(scope="module")
def documents(runstudio: Stack) -> dict[str, tuple[str, ...]]:
    """The command that shows each kind of document with a secret in it."""
    runstudio.publish("cli.secret", assign("a", password="payload.password"), echo("e", "vars.password"), wait("w"))
    run_id = runstudio.start("cli.secret", {"password": SECRET, "key": "reveal"})
    runstudio.waiting(run_id)
    event = runstudio.file("event.json", {"password": SECRET, "key": "reveal"})
    event_id = runstudio.answer("events", "submit", "PING", "--payload", event)["event_id"]
    assert runstudio.ended(run_id) == "SUCCEEDED"
    [attempt] = runstudio.answer("runs", "attempts", run_id)["attempts"]
    return {
        "an output": ("runs", "output", run_id),
        "an attempt": ("runs", "attempts", run_id, attempt["attempt_id"]),
        "an event": ("events", "show", event_id),
        "an input": ("runs", "input", run_id),
    }


def test_each_document_is_masked_until_it_is_revealed(runstudio: Stack, documents: dict[str, tuple[str, ...]]) -> None:
    for name, words in documents.items():
        for said in (runstudio(*words), runstudio(*words, "--json")):
            assert said.code == 0, said.err
            assert "[REDACTED]" in said.out, name
            assert SECRET not in said.out, name
        refused = runstudio(*words, "--reveal", "--json")
        assert (refused.code, refused.refusal["code"]) == (2, "REASON_TOO_SHORT"), name
        revealed: Any = runstudio(*words, "--reveal", *WHY)
        assert revealed.code == 0, revealed.err
        assert SECRET in revealed.out, name
    audited = runstudio.rows(
        "SELECT target_kind, target_id, reason FROM workflow_audit_log WHERE operation = 'document_reveal' ORDER BY audit_id"
    )
    assert audited == [
        (kind, documents[name][-1], WHY[1])
        for name, kind in (
            ("an output", "output"),
            ("an attempt", "attempt"),
            ("an event", "event"),
            ("an input", "payload"),
        )
    ]


def test_many_documents_are_not_revealed_at_once(runstudio: Stack, documents: dict[str, tuple[str, ...]]) -> None:
    refused = runstudio("runs", "attempts", documents["an output"][-1], "--reveal", *WHY, "--json")
    assert (refused.code, refused.refusal["code"]) == (2, "ATTEMPT_NOT_NAMED")
    people = runstudio("runs", "attempts", documents["an output"][-1])
    assert people.out.splitlines()[0].split() == ["ATTEMPT", "STEP", "ACTION", "TRY", "STATUS", "BEGUN"]
    assert SECRET not in people.out
