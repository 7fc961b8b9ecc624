"""docs/architecture.md and its like name files and what is in them: all of it exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [
    ARCHITECTURE,
    ROOT / "docs" / "CONTRIBUTING.md",
    ROOT / "runstudio_tui" / "ARCHITECTURE.md",
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
]
FOLDERS = "engine|runstudio_tui|migrations|examples|tests|docs"
PATH = re.compile(rf"`(?P<path>(?:{FOLDERS})/[^`\s]*)`(?: \((?P<names>`\w+`(?:, `\w+`)*)\))?")
LINK = re.compile(r"\]\((?!https?:|#)(?P<target>[^)#]+)")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def existing(path: str) -> Path:
    """What stands before the first part that is to be filled in."""
    return ROOT / re.split(r"[^/]*<", path)[0]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_path_exists_and_has_the_names_given_for_it(page: Path) -> None:
    missing: list[str] = []
    for found in PATH.finditer(page.read_text()):
        path = existing(found["path"])
        if not path.exists():
            missing.append(found["path"])
        elif found["names"]:
            text = path.read_text()
            names = re.findall(r"\w+", found["names"])
            missing += [f"{found['path']}: {name}" for name in names if not re.search(rf"\b{name}\b", text)]
    assert missing == []


def test_every_path_of_the_studios_page_exists() -> None:
    """There, paths begin in the studio's folder or in that of its tests."""
    roots = (ROOT, ROOT / "runstudio_tui", ROOT / "tests" / "tui")
    page = (ROOT / "runstudio_tui" / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`(\w+/[\w/.]*|\w+\.py)`", page))
    assert len(named) > 10
    assert [path for path in sorted(named) if not any((root / path).exists() for root in roots)] == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [found["target"] for found in LINK.finditer(page.read_text())]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_recipes_name_paths() -> None:
    recipes = ARCHITECTURE.read_text().partition("## Where do I put X")[2].split("\n### ")[1:]
    assert [recipe.splitlines()[0] for recipe in recipes] == [
        "A step type",
        "A filter key of the runs list",
        "A built-in action",
        "A column",
        "A screen",
        "Something in the studio that starts a program or touches a file",
        "A worker loop",
        "An operation",
    ]
    for recipe in recipes:
        assert len(PATH.findall(recipe)) >= 5, recipe


def test_every_room_has_its_line() -> None:
    rooms = ARCHITECTURE.read_text().partition("## The rooms")[2].partition("## Layers")[0]
    there = [path for path in (ROOT / "engine").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    there += [path for path in (ROOT / "runstudio_tui").iterdir() if (path / "__init__.py").exists()]
    named = {existing(found["path"]) for found in PATH.finditer(rooms)}
    assert [relative(path) for path in there if path not in named and path.name != "__init__.py"] == []
