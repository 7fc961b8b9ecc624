"""Progress of commands on many targets: a bar on a terminal, nothing anywhere else, and the same answer everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from engine.devstack.postgres import EmbeddedPostgres
from engine.ids import new_id
from engine.store.database.schema_version import revisions
from tests.commands.conftest import Done, Stack
from tests.commands.steps import assign, wait
from tests.commands.terminal import terminal

FIRST = "00000000-0000-7000-8000-000000000001"
SECOND = "00000000-0000-7000-8000-000000000002"
SHOWN_AGAIN = "\x1b[?25h"
"""The cursor, which a bar hides."""
TOLD_ON_THE_WAY = ("to do: ", "table ", "index ", "from here on ")


def watched(stack: Stack, *words: str, **variables: str) -> tuple[Done, str]:
    """Run a command whose standard error is a terminal; how it ended, and what the terminal got."""
    with terminal() as opened:
        environment = {**stack.environment, "TERM": "xterm-256color", **variables}
        done = stack.starter.run(words, environment, stderr=opened.device)
    return done, opened.written


@pytest.fixture(scope="module")
def pair(without_worker: Stack) -> tuple[str, str]:
    """Two workflows, and files of theirs that can be published again and again."""
    for name in ("cli.one", "cli.two"):
        without_worker.publish(name, assign("a", n="1"))
    return "cli.one", "cli.two"


@pytest.fixture(scope="module")
def runs(without_worker: Stack) -> tuple[str, str]:
    """Two runs that nobody executes."""
    without_worker.publish("cli.idle", wait("w"))
    return without_worker.start("cli.idle", {"key": "1"}), without_worker.start("cli.idle", {"key": "2"})


@pytest.fixture
def words(
    request: pytest.FixtureRequest, without_worker: Stack, pair: tuple[str, str], runs: tuple[str, str]
) -> tuple[str, ...]:
    """The command line of a case; every one may be repeated, and answers the same then."""
    files = [str(without_worker.directory / f"{name}.json") for name in pair]
    bundle = without_worker.file("pair.bundle.json", without_worker.answer("bundle", "export", *pair))
    because = ("--reason", "because")
    cases: dict[str, tuple[str, ...]] = {
        "publishing": ("publish", *files),
        "exporting": ("bundle", "export", *pair),
        "importing": ("bundle", "import", bundle, "--force"),
        "pausing": ("workflows", "pause", *pair),
        "unpausing": ("workflows", "unpause", *pair),
        "replaying": ("runs", "replay", *runs, *because, "--idempotency-key", "again"),
        "canceling": ("runs", "cancel", FIRST, SECOND, *because),
        "resuming": ("quota", "resume", FIRST, SECOND),
        "redelivering": ("events", "redeliver", FIRST, SECOND, *because),
        "canceling tasks": ("tasks", "cancel", FIRST, SECOND, *because),
    }
    return cases[request.param]


COUNTS = {
    "publishing": "2/2",
    "exporting": "2/2",
    # Two are put in place, then two are checked.
    "importing": "4/4",
    "pausing": "2/2",
    "unpausing": "2/2",
    "replaying": "2/2",
    "canceling": "2/2",
    "resuming": "2/2",
    "redelivering": "2/2",
    "canceling tasks": "2/2",
}


def alike(out: str) -> str:
    """An answer without what is another one each time: version numbers, and when a bundle was exported."""
    return re.sub(r"version \d+|\"exportedAt\": .*", "", out)


@pytest.mark.parametrize(("words", "doing"), [(name, name) for name in COUNTS], indirect=["words"])
def test_a_terminal_gets_a_bar_and_nothing_else_does(without_worker: Stack, words: tuple[str, ...], doing: str) -> None:
    # Libraries that draw believe these variables; a pipe is a pipe all the same.
    plain = without_worker.with_variables(FORCE_COLOR="1", TTY_COMPATIBLE="1")(*words)
    done, written = watched(without_worker, *words)
    assert doing.split(maxsplit=1)[0] in written
    assert COUNTS[doing] in written
    assert written.index(SHOWN_AGAIN) > written.rindex(COUNTS[doing])
    assert "\x1b" not in plain.err
    assert COUNTS[doing] not in plain.err + plain.out + done.out
    assert (done.code, alike(done.out)) == (plain.code, alike(plain.out))

    as_json, written = watched(without_worker, *words, "--json")
    assert "\x1b" not in written
    assert COUNTS[doing] not in written + as_json.out
    assert as_json.code == done.code


def test_neither_does_a_terminal_that_can_move_no_cursor(without_worker: Stack, pair: tuple[str, str]) -> None:
    done, written = watched(without_worker, "workflows", "pause", *pair, TERM="dumb")
    assert (done.code, written) == (0, "")


def test_one_target_needs_no_bar(without_worker: Stack, pair: tuple[str, str]) -> None:
    done, written = watched(without_worker, "workflows", "unpause", pair[0])
    assert (done.code, done.out, written) == (0, "cli.one is active\n", "")


@pytest.fixture
def empty_databases(postgres: EmbeddedPostgres) -> Iterator[Callable[[], str]]:
    """Makes databases without any schema."""
    names: list[str] = []

    def make() -> str:
        names.append(f"test_{new_id().replace('-', '')}")
        return postgres.create_database(names[-1], template="template0")

    yield make
    for name in names:
        postgres.drop_database(name)


def test_a_migration_says_its_lines_beside_the_bar(runstudio: Stack, empty_databases: Callable[[], str]) -> None:
    plain = runstudio.with_variables(DATABASE_URL=empty_databases())("migrate")
    assert plain.err == ""
    assert [line for line in plain.out.splitlines() if line.startswith("to do: ")] == [
        f"to do: {revision.name} {revision.summary}" for revision in revisions()
    ]
    done, written = watched(runstudio, "migrate", DATABASE_URL=empty_databases())
    assert (done.code, done.out) == (0, plain.out)
    assert "migrating" in written

    as_json, written = watched(runstudio, "migrate", "--json", DATABASE_URL=empty_databases())
    assert (as_json.code, written) == (0, "")


def test_a_line_that_is_said_on_the_same_terminal_does_not_run_into_the_bar(
    runstudio: Stack, empty_databases: Callable[[], str]
) -> None:
    variables = {**runstudio.environment, "TERM": "xterm-256color", "DATABASE_URL": empty_databases()}
    with terminal() as opened:
        done = runstudio.starter.run(("migrate",), variables, stdout=opened.device, stderr=opened.device)
    assert done.code == 0
    for revision in revisions():
        [before] = re.findall(f"(?s)(.{{4}})to do: {revision.name} {revision.summary}\r\n", opened.written)
        assert before.endswith(("\x1b[2K", "\r\n"))
