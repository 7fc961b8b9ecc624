"""What is made from the code is what lies in docs/: ``python -m runstudio_tui.docs`` brings it up to date."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_textual_snapshot import normalize_svg

from runstudio_tui.docs import PICTURES, Picture, keys_page, take

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_keys_is_current() -> None:
    assert (DOCS / "keys.md").read_text(encoding="utf-8") == keys_page()


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
async def test_the_pictures_are_current(picture: Picture) -> None:
    there = (DOCS / "pictures" / f"{picture.name}.svg").read_text(encoding="utf-8")
    assert normalize_svg(await take(picture)) == normalize_svg(there)
