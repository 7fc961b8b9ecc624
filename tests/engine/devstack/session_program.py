"""A studio as far as the stack can tell: holds the stack of argv[1] until its standard input is closed.

Prints ``up <parts it had to start>`` when it has the stack.
"""

from __future__ import annotations

import sys
from pathlib import Path

from engine.devstack.stack import DevStack
from engine.settings import Settings
from tests.engine.devstack.processes_seen import FAKE_WORKER, leave_schema_alone, silent

data_dir = Path(sys.argv[1])
stack = DevStack(
    data_dir, Settings.load(data_dir=data_dir), worker_command=FAKE_WORKER, prepare_schema=leave_schema_alone
)
with stack.session(silent) as info:
    print("up", *info.started, flush=True)
    sys.stdin.read()
