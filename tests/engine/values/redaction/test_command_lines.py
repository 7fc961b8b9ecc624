"""Passwords in the command lines of well-known clients."""

from __future__ import annotations

import pytest

from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN
from engine.values.redaction.redact import redact, redact_text

CANARY = "zK9qLm27xWvT"
LONG = "The parcel is on its way.\n" * 20


@pytest.mark.parametrize(
    "line",
    [
        "mysql -u root -p~ shop",
        "mysql -uroot -p'~' shop",
        "/usr/bin/mysqldump -h db -p~ shop > x.sql",
        "sudo mysqladmin -p ~ ping",
        "mariadb -p~",
        "mysql --password=~ shop",
        "mysql --password ~ shop",
        "mongosh db -u me -p ~ --quiet",
        "mongodump -p '~'",
        "sshpass -p ~ ssh h",
        "sshpass -p~ ssh h",
        "docker login -u me -p ~ registry",
        "oc login -p ~",
        "redis-cli -h h -a ~ ping",
        "ldapsearch -x -D cn=me -w ~ -b dc=x",
        "ldapmodify -w~",
        "sqlcmd -S h -U sa -P ~ -Q 1",
        "7z x -p~ a.7z",
        "unzip -P ~ a.zip",
        "mosquitto_pub -u me -P ~",
        "failed: Command '['mysql', '-u', 'root', '-p~', 'shop']' returned 1",
        'exec ["sshpass", "-p", "~", "ssh"]',
        "curl -u user:~ https://h",
        "curl -uuser:~ https://h",
        "basic auth: user:~",
        "basic-auth=user:~",
        "Basic auth user:~",
        "HTTP basic auth (user:~) refused",
        "with basic authentication as user:~",
    ],
)
def test_a_password_of_a_command_is_hidden(line: str) -> None:
    text = line.replace("~", CANARY)
    shown = redact_text(text, BUILT_IN)
    assert CANARY not in shown
    assert PLACEHOLDER in shown
    assert redact_text(shown, BUILT_IN) == shown
    assert redact({"note": text}, BUILT_IN)[0] == {"note": PLACEHOLDER}
    # Long texts are looked at in another way first.
    assert redact_text(f"{text}\n{LONG}", BUILT_IN) == f"{shown}\n{LONG}"


@pytest.mark.parametrize(
    ("arguments", "at"),
    [
        (["--host", "h", "--password", CANARY, "shop"], 3),
        (["mysql", "-u", "root", f"-p{CANARY}", "shop"], 3),
        (["sshpass", "-p", CANARY, "ssh", "h"], 2),
        (["curl", "-u", f"ada:{CANARY}", "https://h"], 2),
        (["--verbose", "--api-key", CANARY], 2),
    ],
)
def test_a_password_among_the_arguments_of_a_command_is_hidden(arguments: list[str], at: int) -> None:
    shown = [*arguments[:at], PLACEHOLDER, *arguments[at + 1 :]]
    assert redact({"args": arguments}, BUILT_IN) == ({"args": shown}, frozenset({f"/args/{at}"}))
    assert redact({"args": shown}, BUILT_IN) == ({"args": shown}, frozenset())


def test_other_arguments_are_shown() -> None:
    for arguments in (
        ["-n", "prod", "--token-file", "f"],
        ["mkdir", "-p", "a"],
        ["--password"],
        ["-", "--"],
        ["a", 1, "-p"],
    ):
        assert redact(arguments, BUILT_IN)[0] == arguments


@pytest.mark.parametrize(
    "line",
    [
        "mkdir -p /var/lib/mysql",
        "mysql -P3306 -h db shop",
        "mysql --port 3306",
        "docker run -p 8080:80 image",
        "redis-cli -p 6379 ping",
        "ssh -p 2222 h",
        "psql -p 5432 -w",
        "ls -a /srv; mysql shop",
        "basic auth is off, see https://h/docs",
        "basic authentication: on",
        "7z x a.7z -o/srv",
        "the login -- please wait",
    ],
)
def test_other_options_are_shown(line: str) -> None:
    assert redact_text(line, BUILT_IN) == line
