"""``runstudio redaction``."""

from __future__ import annotations

from tests.commands.conftest import Stack


def test_rules_are_shown_set_and_tried(runstudio: Stack) -> None:
    document = runstudio.file("document.json", {"badge": 7, "url": "https://u:p@h/", "id": 1})
    tried = runstudio.answer("redaction", "test", document)
    assert tried == {"document": {"badge": 7, "url": "[REDACTED]", "id": 1}, "hidden": ["/url"]}
    rules = {"pointers": [], "keyPatterns": ["^badge$"]}
    assert runstudio.answer("redaction", "set", runstudio.file("rules.json", rules)) == rules
    assert runstudio.answer("redaction", "show") == {**rules, "marked": []}
    people = runstudio("redaction", "test", document)
    assert people.out.splitlines()[-2:] == ["hidden    /badge", "hidden    /url"]
    assert runstudio("redaction", "show").out.splitlines() == [
        "pointers  none",
        "keys      ^badge$",
        "marked    nothing",
    ]
    for wrong in ({"keyPatterns": ["("]}, {"keys": []}, [], {"pointers": "x"}):
        refused = runstudio("redaction", "set", runstudio.file("wrong.json", wrong), "--json")
        assert (refused.code, refused.refusal["code"]) == (2, "REDACTION_RULES_INVALID")
    runstudio.answer("redaction", "set", runstudio.file("none.json", {}))


def test_what_a_schema_marks_is_shown(runstudio: Stack) -> None:
    schema = {"type": "object", "properties": {"because": {"type": "string", "x-sensitive": True}}}
    runstudio.answer("tasks", "form", "redaction.marked", "--schema", runstudio.file("form.json", schema))
    marked = {"kind": "form", "name": "redaction.marked", "pointers": ["/because"]}
    assert marked in runstudio.answer("redaction", "show")["marked"]
    assert "form redaction.marked  /because" in runstudio("redaction", "show").out
