"""The short form of ``make nemesis``: one round with every fault but the restores, always of the same seed."""

from __future__ import annotations

import pytest

from tests.faults.installation import Installation
from tests.faults.nemesis.faults import FAULTS
from tests.faults.nemesis.one_round import Round
from tests.faults.nemesis.plan import LASTING_OUTAGE, LONG, RESTORES, SHORT, draw_plan
from tests.faults.nemesis.report import as_text, summary

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1_800)]

SEED = 346
"""One whose plan has every way to launch, send and cancel."""


async def test_a_round_in_which_everything_fails_once(installation: Installation) -> None:
    outcome = await Round(draw_plan(SEED, SHORT), installation).play()
    assert outcome.violations == [], as_text(outcome)
    counts = outcome.journal.counts
    assert [name for name in FAULTS if not counts[name]] == [LASTING_OUTAGE, *RESTORES]
    # Else the round would have proved nothing of them.
    for word in ("pause", "unpause", "cancel", "answer", "replay", "other content refused", "transaction of a caller"):
        assert counts[word] > 0, word
    told = summary([outcome]).splitlines()
    assert told[-1].split() == ["0", "violations"]
    assert outcome.figures["runs"] >= SHORT.orders


def test_a_seed_decides_everything() -> None:
    assert draw_plan(7, LONG).lines() == draw_plan(7, LONG).lines()
    assert draw_plan(7, LONG).lines() != draw_plan(8, LONG).lines()
    more = draw_plan(7, LONG, RESTORES)
    assert more.definitions == draw_plan(7, LONG).definitions
    assert {fault.name for fault in more.server_faults} >= set(RESTORES)
