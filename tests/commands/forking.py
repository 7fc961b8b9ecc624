"""Starts ``runstudio`` processes from one that has its modules imported already: importing them is most of what a command costs.

Every command is a process of its own, with its own environment, files and exit code. Only the first import is shared.

Forking is sound because this process does nothing but import: it has one thread, so no lock can be held by a thread that the
child has not, and no connection, loop or server that two processes would share. It makes sure of that before every fork.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from typing import Any, Final, NoReturn

import psutil

from runstudio_tui.cli import main

PATIENCE_SECONDS: Final = 120
"""A command that takes longer hangs: it says where on its standard error, and ends with 1."""

PRELOADED = (
    "runstudio_tui.commands.root",
    "runstudio_tui.commands.run_text",
    "engine.client",
    "engine.actions.registry",
    "engine.actions.builtin.catalog",
    "engine.operations.catalog.publish",
    "engine.operations.runs.state",
    "engine.simulate.dry_run",
    "alembic.command",
    "jsonschema",
)


def serve() -> None:
    """Read requests as JSON lines from standard input; answer each with the exit code on a line."""
    for name in PRELOADED:
        importlib.import_module(name)
    # Without this every child would copy the modules' memory only to look for garbage in it.
    gc.freeze()
    answers = sys.stdout
    print("ready", file=answers, flush=True)
    this = psutil.Process()
    for line in sys.stdin:
        if this.num_threads() != 1:
            raise RuntimeError("A module started a thread when it was imported; forking is not safe any more.")
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def _become(request: dict[str, Any]) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request["environment"])
    for descriptor, path, flags in (
        (0, request["stdin"], os.O_RDONLY),
        (1, request["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        os.dup2(os.open(path, flags, 0o600), descriptor)
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))
    sys.argv = ["runstudio", *request["arguments"]]
    faulthandler.dump_traceback_later(PATIENCE_SECONDS, exit=True, file=sys.stderr)
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the end of any program: a trace, and 1
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking the shared modules apart would cost more than the command.
    os._exit(code)


if __name__ == "__main__":
    serve()
