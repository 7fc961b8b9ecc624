"""Whatever was on the terminal, what is sent of a frame makes it look as the frame would have, in fewer bytes."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

import pytest
from rich.cells import cell_len

from runstudio_tui.wire import Frames
from runstudio_tui.wire.looks import PLAIN, Look, change, look_of, of_blank

WIDTH, HEIGHT = 24, 8


@dataclass
class Terminal:
    """What a terminal makes of the sequences there are, written from their definitions."""

    cells: list[list[tuple[str, Look]]] = field(default_factory=lambda: [[(" ", PLAIN)] * WIDTH for _ in range(HEIGHT)])
    y: int = 0
    x: int = 0
    top: int = 0
    bottom: int = HEIGHT - 1
    look: Look = PLAIN

    def write(self, written: str) -> None:
        """Do what is written."""
        for found in re.finditer(r"\x1b\[([\d;]*)([A-Za-z@])|\x1b(M)|([\r\n])|([^\x1b\r\n])|(.)", written, re.DOTALL):
            numbers, command, back, new_line, char, unknown = found.groups()
            assert not unknown, repr(unknown)
            if command:
                self._do(command, numbers)
            elif back:
                assert self.y == self.top, "only used there"
                self._move_lines(-1)
            elif new_line == "\r":
                self.x = 0
            elif new_line:
                self._new_line()
            else:
                self._put(char)

    def _do(self, command: str, numbers: str) -> None:
        given = [int(one) for one in numbers.split(";") if one]
        match command:
            case "H":
                self.y, self.x = given[0] - 1, (given[1] if len(given) > 1 else 1) - 1
            case "C":
                self.x += given[0] if given else 1
            case "G":
                self.x = given[0] - 1
            case "P":
                row = self.cells[self.y]
                self.cells[self.y] = [*row[: self.x], *row[self.x + given[0] :], *[self._cleared()] * given[0]]
            case "@":
                row = self.cells[self.y]
                self.cells[self.y] = [*row[: self.x], *[self._cleared()] * given[0], *row[self.x : -given[0]]]
            case "r":
                self.top, self.bottom = (given[0] - 1, given[1] - 1) if given else (0, HEIGHT - 1)
                self.y = self.x = 0
            case "m":
                self.look = self._looks(numbers)
            case _:
                raise AssertionError(command)

    def _looks(self, numbers: str) -> Look:
        """One parameter after the other, on top of what was set."""
        attributes, colours = set(self.look.attributes), [self.look.foreground, self.look.background]
        left = numbers.split(";") if numbers else ["0"]
        off = {"22": {"1", "2"}, "23": {"3"}, "24": {"4"}, "27": {"7"}, "29": {"9"}}
        while left:
            one = left.pop(0)
            if one in ("38", "48"):
                taken = 4 if left[0] == "2" else 2
                colours[one == "48"] = ";".join([one, *left[:taken]])
                left = left[taken:]
            elif one in off:
                attributes -= off[one]
            elif one in ("39", "49"):
                colours[one == "49"] = ""
            elif one == "0":
                attributes, colours = set(), ["", ""]
            elif len(one) == 1:
                attributes.add(one)
            else:
                colours[one.startswith(("4", "10"))] = one
        return Look(frozenset(attributes), *colours)

    def _new_line(self) -> None:
        if self.y == self.bottom:
            self._move_lines(1)
        else:
            self.y += 1
        self.x = 0

    def _move_lines(self, by: int) -> None:
        lines = range(self.top, self.bottom + 1)
        before = {y: self.cells[y] for y in lines}
        for y in lines:
            self.cells[y] = before[y + by] if y + by in lines else [self._cleared()] * WIDTH

    def _cleared(self) -> tuple[str, Look]:
        """Terminals differ in whether what they clear takes the background that is set."""
        assert self.look == PLAIN
        return (" ", PLAIN)

    def _put(self, char: str) -> None:
        taken = cell_len(char)
        assert taken
        row = self.cells[self.y] = list(self.cells[self.y])
        if not row[self.x][0]:
            row[self.x - 1] = (" ", PLAIN)
        end = self.x + taken
        if end < WIDTH and not row[end][0]:
            row[end] = (" ", PLAIN)
        row[self.x : end] = [(char, self.look), *[("", self.look)] * (taken - 1)]
        self.x = end

    @property
    def seen(self) -> list[list[tuple[str, Look]]]:
        """What somebody sees: not the colour of ink on a blank."""
        return [[(text, of_blank(look) if text == " " else look) for text, look in row] for row in self.cells]


STYLES = ("", "2", "1;36", "38;2;10;20;30;48;2;1;2;3", "1;38;2;10;20;30;48;2;1;2;3", "38;5;9;4", "7;33", "48;2;9;9;9")


def styled(text: str, style: str) -> str:
    """As Textual renders a segment."""
    return f"\x1b[{style}m{text}\x1b[0m" if style else text


def row_of(chosen: random.Random, cells: int, letters: str) -> list[tuple[str, str]]:
    """Segments of a line of so many cells."""
    made: list[tuple[str, str]] = []
    while cells:
        text = "".join(chosen.choices(letters, k=min(chosen.randint(1, 8), cells)))
        while cell_len(text) > cells:
            text = text[:-1]
        text = text or " "
        made.append((text, chosen.choice(STYLES)))
        cells -= cell_len(text)
    return made


def in_cells(segments: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A segment for each character."""
    return [(char, style) for text, style in segments for char in text]


def frame(rows: dict[int, list[tuple[str, str]]], x: int = 0) -> str:
    """As Textual renders lines that changed."""
    lines = [
        f"\x1b[{y + 1};{x + 1}H" + "".join(styled(text, style) for text, style in segments)
        for y, segments in rows.items()
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("letters", ["ab   ", "abcdefgh ●", "a日 b"])
@pytest.mark.parametrize("seed", range(15))
def test_a_terminal_shows_what_was_drawn(letters: str, seed: int) -> None:
    chosen = random.Random(seed)
    frames, plain, ours = Frames(), Terminal(), Terminal()
    rows = [row_of(chosen, WIDTH, letters) for _ in range(HEIGHT)]
    everything = True
    for _ in range(30):
        drawn = [frame(dict(enumerate(rows)))]
        match chosen.choice(("one", "part", "shift", "scroll", "all")):
            case "part":
                x = chosen.randrange(WIDTH)
                drawn.append(frame({chosen.randrange(HEIGHT): row_of(chosen, WIDTH - x, letters)}, x))
            case "one":
                rows[chosen.randrange(HEIGHT)] = row_of(chosen, WIDTH, letters)
            case "shift":
                y, x = chosen.randrange(HEIGHT), chosen.randrange(WIDTH)
                old, fresh = in_cells(rows[y]), in_cells(row_of(chosen, 4, letters))
                if all(cell_len(char) == 1 for char, _ in (*old, *fresh)):
                    longer = [*old[:x], *fresh, *old[x:]]
                    shorter = [*old[:x], *old[x + 4 :], *fresh, *fresh]
                    rows[y] = chosen.choice((longer, shorter))[:WIDTH]
            case "scroll":
                top, by = chosen.randint(0, 3), chosen.choice((1, -1, 2))
                body = rows[top:]
                more = [row_of(chosen, WIDTH, letters) for _ in range(abs(by))]
                rows[top:] = [*body[by:], *more] if by > 0 else [*more, *body[:by]]
            case "all":
                rows = [row_of(chosen, WIDTH, letters) for _ in range(HEIGHT)]
        for one in drawn:
            plain.write(one)
            ours.write(frames.send(one, everything=everything))
            assert ours.seen == plain.seen
            assert ours.look == PLAIN
        everything = chosen.random() < 0.1


def test_only_what_differs_is_sent() -> None:
    frames = Frames()
    frames.send(frame({2: [("claim  cancel", "38;2;1;2;3;48;2;4;5;6")]}), everything=True)
    assert frames.send(frame({2: [("claim  cancel", "38;2;1;2;3;48;2;4;5;6")]}), everything=False) == ""
    sent = frames.send(frame({2: [("claim  handed", "38;2;1;2;3;48;2;4;5;6")]}), everything=False)
    assert sent == "\x1b[3;8H\x1b[38;2;1;2;3;48;2;4;5;6mhanded\x1b[m"


def test_lines_that_moved_are_scrolled() -> None:
    frames, letters = Frames(), "abcdefghijklmnopqrstuvwxyz"
    rows = [[(f"{letters[at:]}{letters[:at]}"[:WIDTH], "1;36")] for at in range(HEIGHT + 1)]
    frames.send(frame(dict(enumerate(rows[:HEIGHT]))), everything=True)
    sent = frames.send(frame(dict(enumerate(rows[1:]))), everything=False)
    assert sent.startswith(f"\x1b[1;{HEIGHT}r\x1b[{HEIGHT}H\n\x1b[r\x1b[{HEIGHT};1H")
    assert letters[HEIGHT:][:5] in sent
    assert len(sent) < 3 * WIDTH


def test_what_stands_further_right_is_moved() -> None:
    frames, key, label = Frames(), "1;38;2;10;20;30;48;2;1;2;3", "38;2;90;90;90;48;2;1;2;3"
    common = [
        ("h", key),
        (" hand it over to somebody else  ", label),
        ("c", key),
        (" end it without an answer ", label),
    ]
    frames.send(frame({3: [("t", key), (" claim  ", label), *common, ("/ ", key)]}), everything=True)
    sent = frames.send(frame({3: [("u", key), (" release  ", label), *common]}), everything=False)
    assert sent.startswith("\x1b[4;1H\x1b[2@")
    assert "hand" not in sent


def test_what_looks_alike_is_written_together() -> None:
    frames, key, label = Frames(), "1;38;2;10;20;30;48;2;1;2;3", "38;2;90;90;90;48;2;1;2;3"
    sent = frames.send(frame({3: [(" a", key), (" one ", label), (" b", key), (" two ", label)] * 2}), everything=True)
    assert sent.count("\x1b[1;38;2;10;20;30") == 1


def test_what_is_not_understood_is_sent_as_it_came_and_forgotten() -> None:
    frames = Frames()
    known = frame({0: [("known", "")]})
    frames.send(known, everything=True)
    for strange in ("\x1b[1;1H\x1b[2Kx", "text without a place", "\x1b[1;1H\x1b[38;9mx", "\x1b[1;1H\x1b[53mx"):
        assert frames.send(strange, everything=False) == strange
        assert "known" in frames.send(known, everything=False)


def test_the_way_between_two_looks_is_the_shortest() -> None:
    dark = "48;2;1;2;3"
    assert change(look_of(f"1;36;{dark}"), look_of(f"36;{dark}")) == "\x1b[22m"
    assert change(look_of(f"1;2;{dark}"), look_of(f"2;{dark}")) == "\x1b[22;2m"
    assert change(look_of(f"31;{dark}"), look_of(f"32;{dark}")) == "\x1b[32m"
    assert change(look_of(f"31;{dark}"), PLAIN) == "\x1b[m"
    assert change(PLAIN, PLAIN) == ""
