"""Names of exported files."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records import ExportFormat, RunRow, RunStatus
from runstudio_tui.backend.worlds.hostile import EVIL
from runstudio_tui.domain.export_names import LONGEST, name_of_list, name_of_run, name_problem, with_format

AT = datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)
RUN = RunRow("0198c2aa-0000-7000-8000-00000000abcd", "order-fulfilment", "Orders", 1, RunStatus.RUNNING, AT, AT)
ANY_TEXT = st.text(alphabet=st.characters(codec=None))


def test_a_run_is_named_after_its_workflow_and_its_id() -> None:
    assert name_of_run(RUN) == "order-fulfilment-0198c2-abcd.json"


def test_a_list_is_named_after_its_workflow_and_the_time() -> None:
    assert name_of_list("", AT, ExportFormat.CSV) == "runs-20260115-104321.csv"
    assert name_of_list("billing", AT, ExportFormat.NDJSON) == "runs-billing-20260115-104321.ndjson"


@pytest.mark.parametrize(
    "workflow", ["../../etc/passwd", EVIL, ".hidden", "-rf", "~root", "a" * 500, "..", "", "日" * 90]
)
def test_what_is_suggested_can_be_taken(workflow: str) -> None:
    for name in (
        name_of_run(replace(RUN, workflow_id=workflow)),
        name_of_run(replace(RUN, run_id=EVIL)),
        name_of_list(workflow, AT, ExportFormat.CSV),
    ):
        assert name_problem(name) == ""


@pytest.mark.parametrize(
    "name",
    ["", " ", "/etc/passwd", "a/b", "..", ".", "../a", "a/../../b", "..\\a", "c:\\a", "\\\\host\\a", ".ssh", "a\x00b", "a\x1b[2J",
     "a\nb", "a\u202egnp.exe", "a\u200b", "a\ud83d", "-rf", "~", "~root", " a", "a ", "x" * (LONGEST + 1), "日" * 90],
)  # fmt: skip
def test_names_that_are_refused(name: str) -> None:
    assert name_problem(name)


@pytest.mark.parametrize("name", ["a", "a.json", "a b.csv", "Zoë-日本.json", "a..b", "a~", "x" * LONGEST])
def test_names_that_are_taken(name: str) -> None:
    assert name_problem(name) == ""


@given(ANY_TEXT)
def test_no_name_leaves_its_folder(name: str) -> None:
    if not name_problem(name):
        folder = Path("/folder")
        assert (folder / name).parent == folder
        assert (folder / name).resolve().parent == folder
        assert not [sign for sign in name if unicodedata.category(sign) in ("Cc", "Cs")]


def test_another_format_changes_the_end_that_says_the_format() -> None:
    assert with_format("a.csv", ExportFormat.CSV, ExportFormat.NDJSON) == "a.ndjson"
    assert with_format("a.csv.csv", ExportFormat.CSV, ExportFormat.NDJSON) == "a.csv.ndjson"
    assert with_format("mine.txt", ExportFormat.CSV, ExportFormat.NDJSON) == "mine.txt"
