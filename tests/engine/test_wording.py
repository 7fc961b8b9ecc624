"""Sentences put together from parts."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import engine
import runstudio_tui
from engine.errors import Invalid
from engine.wording import clause, counted, sentence, sentences

TEXTS = {"message", "hint", "sentences", "sentence", "advice", "last_error", "detail", "error_message"}
"""Attributes that are whole sentences, or come from other programs, with or without an end."""
FOREIGN = {"said", "error", "failure"}
"""Names under which the text of an exception, or of another program, is put behind a colon, at the end of ours."""
NOUNS = re.compile(
    "worker|item|run|step|attempt|task|event|wait|row|line|member|problem|change|time|finding|value|page|poller|schedule"
    "|occurrence|key|target|record|argument"
)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (("Timeout expired", "Try again."), "Timeout expired. Try again."),
        (("Timeout expired.", "Try again"), "Timeout expired. Try again."),
        (("expired.,", "Try again."), "expired. Try again."),
        (("It is gone!", ""), "It is gone!"),
        (("loading…", "  "), "loading…"),
        (("", ""), ""),
    ],
)
def test_each_part_has_one_end(parts: tuple[str, ...], whole: str) -> None:
    assert sentences(*parts) == whole
    assert Invalid("X", *(*parts, "")[:2]).sentences == whole


def test_a_clause_stands_inside_of_a_sentence() -> None:
    assert sentence(f"Temporal could not start the run: {clause('deadline exceeded.')}") == (
        "Temporal could not start the run: deadline exceeded."
    )


def test_nouns_agree_with_their_number() -> None:
    assert [counted(number, "worker") for number in (0, 1, 2, 1204)] == [
        "0 workers",
        "1 worker",
        "2 workers",
        "1,204 workers",
    ]
    assert counted(2, "try", "tries") == "2 tries"


def formatted() -> list[tuple[str, ast.FormattedValue, str]]:
    """Every value that is put into a text of the sources, and what follows it there."""
    found = []
    for root in (Path(engine.__file__).parent, Path(runstudio_tui.__file__).parent):
        for path in sorted(root.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    for value, after in zip(node.values, node.values[1:], strict=False):
                        if isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant):
                            found.append((f"{path.relative_to(root.parent)}:{node.lineno}", value, str(after.value)))
    return found


def test_no_text_makes_a_plural_of_its_own() -> None:
    wrong = []
    for place, value, after in formatted():
        noun = re.match(r" (?:more |open |pending |active )?([a-z]+)s\b", after)
        constant = isinstance(value.value, ast.Name) and value.value.id.isupper()
        if noun and NOUNS.fullmatch(noun[1]) and not constant:
            wrong.append(f"{place}: {{{ast.unparse(value.value)}}}{after[:30]}")
    assert wrong == []


def test_no_text_sets_an_end_behind_a_text_that_may_have_one() -> None:
    wrong = []
    for place, value, after in formatted():
        name = ast.unparse(value.value).rpartition(".")[2]
        if (name in TEXTS and re.match(r"[.,;:]", after)) or (name in FOREIGN and after.startswith(".")):
            wrong.append(f"{place}: {{{ast.unparse(value.value)}}}{after[:20]}")
    assert wrong == []
