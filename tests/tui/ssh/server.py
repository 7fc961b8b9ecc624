"""A real sshd on loopback and a real sudo, with the recipe of docs/deployment.md, the service's account and two with a key each.

Needs root.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import psutil

from engine.devstack.postgres_programs import make_passable
from engine.devstack.processes import ProcessId, current_process, is_alive

ROOT: Final = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS: Final = 240.0
"""For what must come sooner or later, also on a machine that does something else most of the time."""
PEOPLE: Final = ("alice", "bob")
CARELESS: Final = "bob"
"""From whom sshd takes every variable, as nobody should let it; the recipe applies all the same."""
_HOMES: Final = Path("/var/lib")
_PREFIX: Final = "runstudio-sshd-"
_OWNER: Final = "owner.json"
_ACCOUNTS: Final = "rs-"
_SUDOERS: Final = Path("/etc/sudoers.d")
_RUN_DIRECTORY: Final = Path("/run/sshd")
# What a host may allow to everybody else: Debian's own choices, and worse.
_PERMISSIVE: Final = """
AcceptEnv *
X11Forwarding yes
AllowTcpForwarding yes
AllowAgentForwarding yes
AllowStreamLocalForwarding yes
PermitTunnel yes
PermitUserRC yes
Subsystem sftp /usr/lib/openssh/sftp-server
UsePAM no
"""


def until(true: Callable[[], Any], told: Callable[[], object]) -> Any:
    """Wait until something is true; ``told`` is what is known when it does not become so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := true()):
        assert time.monotonic() < end, told()
        time.sleep(0.02)
    return found


def recipe(path: str = "/etc/ssh/sshd_config.d/runstudio.conf") -> str:
    """A file as the documentation has it."""
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    found = re.search(rf"^```\n# {re.escape(path)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/deployment.md has no {path}"
    return found[1]


def sweep_abandoned() -> None:
    """Removes what a killed test left: its accounts, its directory."""
    for owner in _HOMES.glob(f"{_PREFIX}*/{_OWNER}"):
        noted = json.loads(owner.read_text())
        if not is_alive(ProcessId(**noted["process"])):
            _remove(owner.parent, noted["mark"])


def _running_as(uid: int) -> list[tuple[psutil.Process, str]]:
    """Processes of an account, with their names."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if process.uids().real == uid:
                found.append((process, process.name()))
    return found


def _remove(directory: Path, mark: str) -> None:
    for entry in pwd.getpwall():
        if entry.pw_name.startswith(_ACCOUNTS) and entry.pw_name.endswith(mark):
            for process, _ in _running_as(entry.pw_uid):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            subprocess.run(["userdel", "--force", entry.pw_name], check=False, capture_output=True)
    (_SUDOERS / f"{_ACCOUNTS}{mark}").unlink(missing_ok=True)
    subprocess.run(["groupdel", f"{_ACCOUNTS}{mark}"], check=False, capture_output=True)
    shutil.rmtree(directory, ignore_errors=True)


class Host:
    """The machine that operators reach by ssh."""

    def __init__(self, sshd: str, ssh: str) -> None:
        self._sshd = sshd
        self._ssh = ssh
        self.directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_HOMES))
        self._mark = self.directory.name.removeprefix(_PREFIX).lower().replace("_", "-")
        self.group = f"{_ACCOUNTS}{self._mark}"
        self.service = f"{_ACCOUNTS}service-{self._mark}"
        self.home = self.directory / "home" / "service"
        """Of the service's account, as which every console runs."""
        (self.directory / _OWNER).write_text(
            json.dumps({"process": asdict(current_process()), "mark": self._mark}), encoding="utf-8"
        )
        self.port = 0
        self._daemon: subprocess.Popen[bytes] | None = None

    # --- building -----------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """Accounts, keys, the program, the configuration; then start."""
        self.directory.chmod(0o755)
        for name in ("bin", "home", "keys", "mine", "records"):
            (self.directory / name).mkdir()
        (self.directory / "records").chmod(0o1777)
        (self.directory / "mine").chmod(0o700)
        _run("groupadd", self.group)
        _run(
            "useradd", "--user-group", "--home-dir", str(self.home), "--create-home", "--skel", os.devnull,
            "--shell", "/usr/sbin/nologin", "--password", "*", "--no-log-init", self.service,
        )  # fmt: skip
        for person in PEOPLE:
            home = self.directory / "home" / person
            _run(
                "useradd", "--no-user-group", "--gid", self.group, "--home-dir", str(home), "--create-home",
                "--skel", os.devnull, "--shell", "/bin/sh", "--password", "*", "--no-log-init", self.account(person),
            )  # fmt: skip
            self._make_key(f"mine/{person}")
            shutil.copyfile(self.directory / f"mine/{person}.pub", self.directory / "keys" / self.account(person))
        self._make_key("mine/host")
        self._write_program()
        self.settings()
        self._start()

    def _make_key(self, name: str) -> None:
        path = self.directory / name
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path))

    def _write_program(self) -> None:
        for path in (Path(sys.executable), Path(sys.prefix) / "x", ROOT / "x"):
            make_passable(path)
        program = self.directory / "bin" / "runstudio"
        program.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            f"from tests.tui.ssh.program import main\nmain({str(self.directory)!r})\n",
            encoding="utf-8",
        )
        program.chmod(0o755)

    def _start(self) -> None:
        _RUN_DIRECTORY.mkdir(mode=0o755, exist_ok=True)
        environment = self.directory / "environment"
        environment.write_text(recipe("/etc/runstudio/environment"), encoding="utf-8")
        environment.chmod(0o600)
        sudoers = _SUDOERS / self.group
        sudoers.touch(0o440)
        sudoers.write_text(self.localized(recipe("/etc/sudoers.d/runstudio")), encoding="utf-8")
        _run("visudo", "-c", "-q", "-f", str(sudoers))
        included = self.directory / "runstudio.conf"
        included.write_text(self.localized(recipe()), encoding="utf-8")
        careless = f"Match User {self.account(CARELESS)}\n    AcceptEnv *\n"
        (self.directory / "careless.conf").write_text(careless, encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        configuration = self.directory / "sshd_config"
        own = {
            "Include": f"{self.directory}/careless.conf {included}",
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": f"{self.directory}/mine/host",
            "PidFile": "none",
        }
        lines = "".join(f"{keyword} {value}\n" for keyword, value in own.items())
        configuration.write_text(f"{lines}{_PERMISSIVE}", encoding="utf-8")
        public = (self.directory / "mine/host.pub").read_text().split()
        (self.directory / "mine/known").write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n")
        _run(self._sshd, "-t", "-f", str(configuration))
        self._daemon = subprocess.Popen(
            [self._sshd, "-D", "-f", str(configuration), "-E", str(self.directory / "sshd.log")],
            stdin=subprocess.DEVNULL,
        )
        until(self._answers, self.log)

    def localized(self, text: str) -> str:
        """The documented text with the places, the group and the made-up world of this host."""
        replaced = {
            "/opt/runstudio/bin": f"{self.directory}/bin",
            "/etc/runstudio/": f"{self.directory}/",
            "runstudio-operators": self.group,
            "-u runstudio ": f"-u {self.service} ",
            "(runstudio)": f"({self.service})",
            ">runstudio ": f">{self.service} ",
            "bin/runstudio --console": "bin/runstudio --console --demo",
        }
        for documented, here in replaced.items():
            text = text.replace(documented, here)
        return text

    def _answers(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0

    def remove(self) -> None:
        """Stop, and leave nothing behind."""
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(PATIENCE_SECONDS)
        _remove(self.directory, self._mark)

    # --- what it is told, and what it knows ---------------------------------------------------------------------------

    def account(self, person: str) -> str:
        """The name of a person's account."""
        return f"{_ACCOUNTS}{person}-{self._mark}"

    def settings(self, **settings: Any) -> None:
        """What ``program.py`` does in the sessions that begin from now on."""
        (self.directory / "settings.json").write_text(json.dumps(settings), encoding="utf-8")

    def effective(self, person: str) -> dict[str, str]:
        """What sshd makes of its configuration for a person, by lower-case keyword."""
        asked = f"user={self.account(person)},host=localhost,addr=127.0.0.1"
        told = _run(self._sshd, "-T", "-C", asked, "-f", str(self.directory / "sshd_config"))
        return {line.partition(" ")[0]: line.partition(" ")[2] for line in told.splitlines()}

    def command(self, person: str, *words: str, options: Sequence[str] = ()) -> list[str]:
        """An ssh that logs a person in; ``words`` is the command that is asked for."""
        return [self._ssh, *self.options(person), *options, "-p", str(self.port), self.destination(person), *words]

    def destination(self, person: str) -> str:
        """Where a person logs in."""
        return f"{self.account(person)}@127.0.0.1"

    def options(self, person: str) -> list[str]:
        """What ssh, scp and sftp are told alike."""
        mine = self.directory / "mine"
        settings = {
            "UserKnownHostsFile": mine / "known",
            "GlobalKnownHostsFile": os.devnull,
            "IdentityFile": mine / person,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
        }
        return ["-F", os.devnull, *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]

    def processes(self, person: str) -> list[psutil.Process]:
        """What runs for a person, under their account and under the service's; sshd's own side of the session and sudo aside."""
        mine = [
            process
            for process, name in _running_as(pwd.getpwnam(self.account(person)).pw_uid)
            if name not in {"sshd", "sudo"}
        ]
        for process, _ in _running_as(pwd.getpwnam(self.service).pw_uid):
            with suppress(psutil.NoSuchProcess):
                if process.environ().get("SUDO_USER") == self.account(person):
                    mine.append(process)
        return mine

    def records(self) -> list[dict[str, Any]]:
        """What the sessions did that is watched: see ``program.py``."""
        paths = sorted((self.directory / "records").iterdir())
        return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]

    def forget(self) -> None:
        """No records any more."""
        for path in (self.directory / "records").iterdir():
            path.unlink()

    def files(self) -> dict[str, str]:
        """What is in the homes, with its mode; that of the service without its name."""
        homes = self.home.parent
        found = {path.relative_to(homes): stat.filemode(path.stat().st_mode) for path in sorted(homes.glob("*/**/*"))}
        return {str(path).removeprefix(f"{self.home.name}/"): mode for path, mode in found.items()}

    def log(self) -> str:
        """What sshd said."""
        path = self.directory / "sshd.log"
        return path.read_text(errors="replace") if path.exists() else "sshd said nothing"

    def readable(self) -> str:
        """Why the accounts cannot run the program; empty when they can."""
        entry = pwd.getpwnam(self.service)
        done = subprocess.run(
            [sys.executable, "-I", "-c", "import runstudio_tui.app"],
            user=entry.pw_uid, group=entry.pw_gid, extra_groups=(), cwd="/",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return "" if done.returncode == 0 else f"other accounts cannot run what is in {ROOT}: {done.stderr[-300:]}"


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout
