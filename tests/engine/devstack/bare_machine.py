"""A machine with nothing on its PATH, nothing in its cache and no way to the network, and programs to put on its PATH."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.devstack.ports import silent_port

GO = f"""#!{sys.executable}
import os, pathlib, sys, time
target = pathlib.Path(os.environ["GOBIN"])
with open(os.environ["BUILDS"], "a") as builds:
    print(sys.argv[-1], file=builds)
print("go: downloading example.com/wood v1.2.3\\nexample.com/wood\\nexample.com/wood/nails", flush=True)
while not os.path.exists(os.environ["FINISH"]):
    time.sleep(0.02)
if os.environ.get("GO_FAILS"):
    sys.exit("undefined: everything")
(target / "temporal").write_text("#!/bin/sh\\necho built")
"""

MAVEN = f"""#!{sys.executable}
import pathlib, sys
pom = pathlib.Path(sys.argv[sys.argv.index("-f") + 1]).read_text()
assert "<artifactId>temporal-test-server</artifactId><version>1.32.0</version>" in pom
jars = pathlib.Path(next(a for a in sys.argv if a.startswith("-DoutputDirectory=")).partition("=")[2])
jars.mkdir()
(jars / "server.jar").write_text("")
"""


class Machine:
    """A machine with nothing on its PATH, nothing in its cache and no way to the network."""

    def __init__(self, root: Path) -> None:
        self.programs = root / "bin"
        self.cache = root / "cache"
        self.builds = root / "builds"
        self.finish = root / "finish"
        """While it is not there, a build goes on."""
        self.programs.mkdir()
        self.builds.touch()
        self.finish.touch()

    def install(self, name: str, content: str = "#!/bin/sh\n") -> Path:
        path = self.programs / name
        path.write_text(content)
        path.chmod(0o755)
        return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    bare = Machine(tmp_path)
    with silent_port() as closed:
        for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed}")
        monkeypatch.delenv("RUNSTUDIO_TEMPORAL_CLI", raising=False)
        monkeypatch.setenv("PATH", str(bare.programs))
        monkeypatch.setenv("XDG_CACHE_HOME", str(bare.cache))
        monkeypatch.setenv("BUILDS", str(bare.builds))
        monkeypatch.setenv("FINISH", str(bare.finish))
        yield bare
