"""Settings of the studio: flag over environment over profile over file over default. Nothing in here is secret."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError

PREFIX: Final = "RUNSTUDIO_"


def _setting(default: Any, doc: str, *, only_flag: bool = False) -> Any:
    return field(default=default, metadata={"doc": doc, "only_flag": only_flag})


@dataclass(frozen=True, slots=True)
class StudioConfig:
    """How the studio looks and behaves. Every field is a key of config.toml and, in upper case after RUNSTUDIO_, a variable;
    those marked ``only_flag`` are neither."""

    theme: str = _setting("terminal", "terminal (your terminal's own colours), dark or light")
    glyphs: str = _setting("auto", "unicode, ascii, or auto: ascii when the locale is not UTF-8")
    color: bool = _setting(True, "false: no colours at all (NO_COLOR does the same)")
    mouse: bool = _setting(True, "false: leave the mouse to the terminal, for selecting text")
    low_bandwidth: bool = _setting(False, "fewer bytes: slower polls, page-wise scrolling, no ticking, no mouse")
    poll_seconds: float = _setting(4.0, "seconds between two polls of the screen you look at")
    timezone: str = _setting("", "zone of all times, such as Europe/Berlin; empty: this machine's")
    clipboard: str = _setting("auto", "osc52 (never a file), file, or auto: osc52 up to its size cap, else a file")
    multiplexer: str = _setting("auto", "tmux, screen or none, for copying through it; auto: from TMUX, STY and TERM")
    inside_tmux: bool = _setting(False, "true: copies also go into tmux's own buffer; by itself so where TMUX is set")
    editor: str = _setting("", "editor for payloads (ctrl+e); empty: VISUAL, then EDITOR, then vi")
    read_only: bool = _setting(False, "true: nothing can be started, canceled or changed")
    profile: str = _setting("", "name of the [profiles.NAME] table that overrides the rest of the file")
    state_dir: str = _setting("", "where remembered state and copies too large for the clipboard go")
    export_dir: str = _setting("", "folder of exported files; empty: exports in state_dir")
    console: bool = _setting(False, "nothing outside the studio is reached (runstudio --console)", only_flag=True)

    @property
    def export_folder(self) -> Path:
        """Where exported files go, unless a command names another place."""
        return Path(self.export_dir).expanduser() if self.export_dir else Path(self.state_dir) / "exports"

    @property
    def poll(self) -> float:
        """Seconds between two polls."""
        return max(self.poll_seconds, 10.0) if self.low_bandwidth else self.poll_seconds

    def zone(self) -> tzinfo:
        """The viewer's zone; UTC when the configured one does not exist here."""
        try:
            return ZoneInfo(self.timezone) if self.timezone else _machine_zone()
        except (ZoneInfoNotFoundError, ValueError):
            return UTC


def _machine_zone() -> tzinfo:
    try:
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file, key="local")
    except (OSError, ValueError):
        return UTC


class ConfigError(Exception):
    """A setting cannot be used; the text says which, why, and what would do."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and what the operator should know about how they came to be."""

    config: StudioConfig
    warnings: tuple[str, ...] = ()


def config_path(environment: Mapping[str, str]) -> Path:
    """Where config.toml is looked for."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".config")
    return Path(base) / "runstudio" / "config.toml"


def require_terminal(environment: Mapping[str, str] | None = None) -> None:
    """Raises ConfigError for a terminal that cannot place text on its screen."""
    variables = os.environ if environment is None else environment
    kind = variables.get("TERM", "")
    if kind in ("", "dumb", "unknown"):
        told = f"TERM is {kind}" if kind else "TERM is not set"
        raise ConfigError(
            f"The studio cannot be drawn on this terminal: {told}. Set TERM to what the terminal is, such as xterm-256color,"
            " or use the commands: `runstudio runs list` answers on any."
        )


def load_config(flags: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Loaded:
    """Settings from all sources. ``flags`` holds only what was given on the command line. Raises ConfigError."""
    variables = os.environ if environment is None else environment
    warnings: list[str] = []
    from_file = _read_file(config_path(variables), warnings)
    profiles = from_file.pop("profiles", {})
    profile = flags.get("profile") or variables.get(f"{PREFIX}PROFILE") or from_file.get("profile", "")
    config = _merge(StudioConfig(), from_file, "config.toml", warnings)
    if profile:
        if not isinstance(profiles, dict) or not isinstance(profiles.get(profile), dict):
            known = ", ".join(sorted(profiles)) if isinstance(profiles, dict) and profiles else "none"
            raise ConfigError(f"there is no profile {profile!r}; profiles in config.toml: {known}")
        config = _merge(config, profiles[profile], f"profile {profile}", warnings)
    filed = config
    names = {f.name for f in fields(StudioConfig) if not f.metadata["only_flag"]}
    from_environment = {
        name: variables[f"{PREFIX}{name.upper()}"] for name in names if f"{PREFIX}{name.upper()}" in variables
    }
    config = _merge(config, from_environment, "the environment", warnings)
    config = _merge(config, dict(flags), "the command line", warnings, flags=True)
    if variables.get("NO_COLOR"):
        config = replace(config, color=False)
    if config.glyphs == "auto":
        locale = variables.get("LC_ALL") or variables.get("LC_CTYPE") or variables.get("LANG") or ""
        unicode = "utf-8" in locale.lower() or "utf8" in locale.lower()
        config = replace(config, glyphs="unicode" if unicode else "ascii")
    if not config.editor:
        config = replace(config, editor=variables.get("VISUAL") or variables.get("EDITOR") or "vi")
    if config.multiplexer == "auto":
        # Over SSH the variables stay behind; what the terminal is called does not. tmux calls itself screen as well.
        name = variables.get("TERM", "").partition("-")[0]
        inside_tmux = variables.get("TMUX") or (name in ("tmux", "screen") and not variables.get("STY"))
        found = "tmux" if inside_tmux else "screen" if variables.get("STY") else "none"
        config = replace(config, multiplexer=found, inside_tmux=config.inside_tmux or bool(variables.get("TMUX")))
    if not config.timezone and variables.get("TZ"):
        config = replace(config, timezone=_zone_of_tz(variables["TZ"], warnings))
    if not config.state_dir:
        state = variables.get("XDG_STATE_HOME") or str(
            Path(variables.get("HOME", "~")).expanduser() / ".local" / "state"
        )
        config = replace(config, state_dir=str(Path(state) / "runstudio"))
    if config.console:
        config = replace(
            config,
            editor="",
            export_dir="",
            clipboard="osc52",
            state_dir=str(console_state_dir(variables)),
            read_only=config.read_only or filed.read_only,
        )
    return Loaded(config, tuple(warnings))


def _zone_of_tz(value: str, warnings: list[str]) -> str:
    """The zone that ``TZ`` names, also by its file among the zones; empty for the machine's own. One we cannot follow is said,
    and times are shown in UTC."""
    name = value.removeprefix(":")
    if name == "/etc/localtime":
        return ""
    folder = next((folder for folder in TZPATH if name.startswith(f"{folder}/")), None)
    try:
        return ZoneInfo(name if folder is None else name.removeprefix(f"{folder}/")).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        warnings.append(
            f"TZ is {name[:80]!r}, which names no time zone here: times are shown in UTC. Write a name, as in TZ=Europe/Berlin."
        )
        return "UTC"


def console_state_dir(environment: Mapping[str, str]) -> Path:
    """Where a console keeps its state, whatever else is configured."""
    return Path(environment.get("HOME", "/nonexistent")) / ".local" / "state" / "runstudio"


def _read_file(path: Path, warnings: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        warnings.append(f"{path} was not read: {error}")
        return {}


def _merge(
    config: StudioConfig, values: Mapping[str, Any], source: str, warnings: list[str], *, flags: bool = False
) -> StudioConfig:
    known = {f.name: f for f in fields(StudioConfig) if flags or not f.metadata["only_flag"]}
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        if name not in known:
            close = get_close_matches(name, known, n=1)
            warnings.append(f"{source}: {name} is not a setting" + (f"; did you mean {close[0]}?" if close else ""))
            continue
        changes[name] = _converted(name, value, type(getattr(config, name)), source)
    merged = replace(config, **changes)
    _check(merged, source)
    return merged


def _converted(name: str, value: Any, wanted: type, source: str) -> Any:
    if wanted is bool and isinstance(value, str):
        word = value.strip().lower()
        if word in ("1", "true", "yes", "on"):
            return True
        if word in ("0", "false", "no", "off", ""):
            return False
        raise ConfigError(f"{source}: {name} is {value!r}; write true or false")
    if wanted is float and isinstance(value, str | int) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            raise ConfigError(f"{source}: {name} is {value!r}; write a number") from None
    if not isinstance(value, wanted):
        raise ConfigError(f"{source}: {name} is {value!r}; it must be a {wanted.__name__}")
    return value


_CHOICES: Final = {
    "theme": ("terminal", "dark", "light"),
    "glyphs": ("auto", "unicode", "ascii"),
    "multiplexer": ("auto", "tmux", "screen", "none"),
    "clipboard": ("auto", "osc52", "file"),
}


def _check(config: StudioConfig, source: str) -> None:
    for name, allowed in _CHOICES.items():
        value = getattr(config, name)
        if value not in allowed:
            raise ConfigError(f"{source}: {name} is {value!r}; it must be one of {', '.join(allowed)}")
    if not 0.5 <= config.poll_seconds <= 600:
        raise ConfigError(f"{source}: poll_seconds is {config.poll_seconds}; it must be between 0.5 and 600")
    if config.timezone:
        try:
            ZoneInfo(config.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigError(f"{source}: timezone {config.timezone!r} is not known here") from None
