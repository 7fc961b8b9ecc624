"""What others run of ours is what we run: CI, the hooks of pre-commit, `.ci/run`."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import yaml

from tests.not_run import EVERY_TEST

ROOT = Path(__file__).resolve().parents[1]


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    return re.findall(r"^\t@?(.*)$", makefile.partition(f"\n{target}: ")[2].partition("\n\n")[0], re.MULTILINE)


def test_ci_runs_the_two_commands_on_every_python() -> None:
    job = read_yaml(".github/workflows/ci.yml")["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make test", "make check"]
    pythons = job["strategy"]["matrix"]["python"]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={pythons[0]}"
    commands = re.findall(r"make \w+", (ROOT / ".ci" / "run").read_text())
    assert commands == ["make test", "make check"]


def test_ci_run_installs_what_only_tests_need_and_lets_no_test_be_left_out() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    before_tests = script.partition("make test")[0]
    assert f"export {EVERY_TEST}=1" in before_tests
    assert "missing=$(python3 tests/programs.py)" in before_tests
    assert before_tests.count("apt-get") == 3  # asked for, update, install
    for quietly in ("DEBIAN_FRONTEND=noninteractive", "Acquire::Retries=3", "-qq", "--yes", "</dev/null"):
        assert quietly in before_tests
    assert subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, check=False).returncode == 0


def test_the_hooks_are_the_checks() -> None:
    repositories = read_yaml(".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    programs = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in repositories[0]["hooks"]}
    assert programs == {command.split()[0].removeprefix("$(BIN)/") for command in recipe("check")}


def test_every_template_of_an_issue_can_be_read() -> None:
    for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")):
        template = yaml.safe_load(path.read_text())
        assert path.name == "config.yml" or {"name", "description", "body"} <= template.keys(), path.name
