"""The runs list: what keys do, and what reaches the backend."""

from __future__ import annotations

from typing import Any

import pytest

from runstudio_tui.domain.models import RunStatus
from runstudio_tui.ports import Unavailable


async def test_shows_runs_with_state_place_and_age(studio: Any) -> None:
    async with studio() as session:
        line = session.line("not picked up")
        assert line.startswith("▌▲ ● running")
        assert "order-fulfilment" in line
        assert "2m 14s" in line
        assert "push-line [17] in 1" in session.line("retry 3")
        assert "match-po: PO_NOT_FOUND" in session.line("✖ failed")


async def test_moves_and_opens(studio: Any) -> None:
    async with studio() as session:
        await session.press("j", "j", "enter")
        assert "▸ stock-sync" in session.line("RUN STUDIO")
        await session.press("escape")
        assert session.line("▌").startswith("▌  ◔ retry 3")
