"""Settings and where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from runstudio_tui.commands.studio import StudioOptions, run_to_the_end
from runstudio_tui.config import ConfigError, StudioConfig, config_path, load_config, require_terminal


def env(tmp_path: Path, text: str = "", **variables: str) -> dict[str, str]:
    """An environment with a config file."""
    made = {"HOME": str(tmp_path), "LANG": "C.UTF-8", **variables}
    path = config_path(made)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return made


def test_flag_over_environment_over_profile_over_file(tmp_path: Path) -> None:
    text = 'theme = "dark"\npoll_seconds = 9\nmouse = false\n[profiles.prod]\ntheme = "light"\nread_only = true\n'
    variables = env(tmp_path, text, RUNSTUDIO_PROFILE="prod", RUNSTUDIO_POLL_SECONDS="7")
    config = load_config({"theme": "terminal", "glyphs": None}, variables).config
    assert (config.theme, config.poll_seconds, config.mouse, config.read_only) == ("terminal", 7.0, False, True)
    assert load_config({}, variables).config.theme == "light"


def test_unknown_keys_warn_with_a_suggestion(tmp_path: Path) -> None:
    loaded = load_config({}, env(tmp_path, 'thme = "dark"\nshoes = 2\n'))
    assert loaded.warnings == (
        "config.toml: thme is not a setting; did you mean theme?",
        "config.toml: shoes is not a setting",
    )


def test_a_broken_file_is_a_warning_not_an_end(tmp_path: Path) -> None:
    loaded = load_config({}, env(tmp_path, "theme = = 1"))
    assert "was not read" in loaded.warnings[0]
    assert loaded.config.theme == StudioConfig().theme


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"theme": "pink"}, "must be one of terminal, dark, light"),
        ({"poll_seconds": 0.1}, "between 0.5 and 600"),
        ({"poll_seconds": "often"}, "write a number"),
        ({"mouse": "maybe"}, "write true or false"),
        ({"timezone": "Mars/Olympus"}, "not known here"),
        ({"profile": "nowhere"}, "there is no profile 'nowhere'"),
        ({"theme": 3}, "must be a str"),
    ],
)
def test_wrong_values_are_refused_with_a_sentence(tmp_path: Path, flags: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(flags, env(tmp_path))


def test_what_the_terminal_tells(tmp_path: Path) -> None:
    assert load_config({}, env(tmp_path)).config.glyphs == "unicode"
    assert load_config({}, env(tmp_path, LANG="C")).config.glyphs == "ascii"
    assert load_config({}, env(tmp_path, LC_ALL="de_DE.utf8", LANG="C")).config.glyphs == "unicode"
    assert load_config({}, env(tmp_path, NO_COLOR="1")).config.color is False
    assert load_config({}, env(tmp_path, TMUX="/tmp/x")).config.multiplexer == "tmux"
    assert load_config({}, env(tmp_path, TMUX="/tmp/x")).config.inside_tmux
    assert load_config({}, env(tmp_path, STY="1", TERM="screen")).config.multiplexer == "screen"
    assert load_config({}, env(tmp_path, TERM="tmux-256color")).config.multiplexer == "tmux"
    assert not load_config({}, env(tmp_path, TERM="tmux-256color")).config.inside_tmux
    assert load_config({}, env(tmp_path, TERM="xterm-256color")).config.multiplexer == "none"
    assert load_config({}, env(tmp_path, VISUAL="hx -c x")).config.editor == "hx -c x"
    assert load_config({}, env(tmp_path, TZ="Europe/Berlin")).config.timezone == "Europe/Berlin"


def test_f32_a_tz_that_names_no_zone_is_said(tmp_path: Path) -> None:
    tree = "/usr/share/zoneinfo"
    unknown = (
        "CET-1CEST,M3.5.0,M10.5.0/3",
        ":Mars/Base",
        "Europe",
        "/etc/passwd",
        f":{tree}/Mars/Base",
        f"{tree}/../UTC",
        f"{tree}/",
    )
    for value in unknown:
        loaded = load_config({}, env(tmp_path, TZ=value))
        assert loaded.config.timezone == "UTC"
        assert [value.removeprefix(":") in warning for warning in loaded.warnings] == [True]
    for value, zone in (
        (":Europe/Berlin", "Europe/Berlin"),
        (f":{tree}/Europe/Berlin", "Europe/Berlin"),
        (f"{tree}/UTC", "UTC"),
        (":/etc/localtime", ""),
        ("", ""),
    ):
        loaded = load_config({}, env(tmp_path, TZ=value))
        assert (loaded.config.timezone, loaded.warnings) == (zone, ())


def test_a_terminal_that_cannot_place_text_is_refused() -> None:
    for kind in ({"TERM": "dumb"}, {"TERM": ""}, {}):
        with pytest.raises(ConfigError, match="cannot be drawn on this terminal"):
            require_terminal(kind)
    require_terminal({"TERM": "vt100"})


def test_s23_the_studio_is_not_opened_on_such_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert run_to_the_end(StudioOptions(demo=True)) == 2
    assert "runstudio runs list" in capsys.readouterr().err


def test_low_bandwidth_polls_less(tmp_path: Path) -> None:
    assert load_config({"low_bandwidth": True}, env(tmp_path)).config.poll == 10.0
    assert load_config({"low_bandwidth": True, "poll_seconds": 30}, env(tmp_path)).config.poll == 30.0


def test_every_setting_is_explained() -> None:
    from dataclasses import fields

    assert all(len(setting.metadata["doc"]) > 20 for setting in fields(StudioConfig))
