"""``runstudio serve``: the studio in a browser on this machine."""

from __future__ import annotations

import secrets
import shlex
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from runstudio_tui.commands.output import progress, refuse, say
from runstudio_tui.commands.studio import StudioOptions, engine_backend
from runstudio_tui.config import ConfigError, load_config
from runstudio_tui.logfile import log_to

TOKEN_BYTES = 32


def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0: a free one.")] = 0,
) -> None:
    """Show the studio in a browser on this machine, at an address with a token that is printed once. Ctrl+C ends it."""
    from engine.errors import EngineError, Invalid, Unavailable

    try:
        from runstudio_tui.commands.browser import StudioServer, run_server
    except ModuleNotFoundError as missing:
        refuse(
            Invalid("SERVE_NOT_INSTALLED", f"This needs {missing.name}.", "pip install 'runstudio[serve]'"),
            as_json=False,
        )
    options: StudioOptions = context.obj
    try:
        log_to(Path(load_config(options.flags()).config.state_dir))
        if not options.demo:
            engine_backend()
        listening = _listen(port)
    except OSError as error:
        told = f"Port {port} of 127.0.0.1 cannot be used: {error.strerror}."
        refuse(Unavailable("PORT_UNAVAILABLE", told, "Choose another with --port, or none."), as_json=False)
    except ConfigError as error:
        refuse(Invalid("CONFIG_INVALID", str(error), "Correct the configuration."), as_json=False)
    except EngineError as error:
        refuse(error, as_json=False)
    command = shlex.join([sys.executable, "-m", "runstudio_tui", "--served", *options.words()])
    server = StudioServer(f"exec {command}", listening.getsockname()[1], secrets.token_urlsafe(TOKEN_BYTES))
    say(server.address)
    progress("Open it in a browser on this machine. Whoever has the address is you. Ctrl+C ends it.")
    sys.stdout.flush()
    run_server(server, listening)


def _listen(port: int) -> socket.socket:
    """A socket of the loopback interface. Raises OSError."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        # Before the address is printed: whoever opens it at once has to wait, but is not refused.
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening
