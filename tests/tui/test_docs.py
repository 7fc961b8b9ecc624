"""What is made from the code is what lies in docs/: ``python -m runstudio_tui.docs`` brings it up to date."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_textual_snapshot import normalize_svg

from runstudio_tui.docs import PICTURES, Picture, keys_page, take

DOCS = Path(__file__).parents[2] / "docs"
EACH = [(picture, size) for picture in PICTURES for size in picture.sizes]


def test_the_page_of_keys_is_current() -> None:
    assert (DOCS / "keys.md").read_text(encoding="utf-8") == keys_page()


@pytest.mark.parametrize(
    ("picture", "size"), EACH, ids=lambda value: getattr(value, "name", None) or f"{value[0]}x{value[1]}"
)
async def test_the_pictures_are_current(picture: Picture, size: tuple[int, int]) -> None:
    there = (DOCS / "pictures" / picture.file(size)).read_text(encoding="utf-8")
    assert normalize_svg(await take(picture, size)) == normalize_svg(there)


def test_every_picture_is_shown_to_operators_with_what_is_on_it() -> None:
    page = (DOCS / "operators.md").read_text(encoding="utf-8")
    for picture, size in EACH:
        assert f"![{picture.alt}, at {size[0]}x{size[1]}](pictures/{picture.file(size)})" in page, picture.name


def test_no_picture_is_left_over() -> None:
    assert {path.name for path in (DOCS / "pictures").iterdir()} == {picture.file(size) for picture, size in EACH}
