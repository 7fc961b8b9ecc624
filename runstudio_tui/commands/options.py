"""Options that many commands have, called and described alike in all of them."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=500, help="Rows at most.")]
Actions = Annotated[
    list[str] | None,
    typer.Option(
        "--actions",
        metavar="MODULE",
        help="Python module with actions of your own, installed or in the current directory; several with commas, or by"
        " giving the option several times. RUNSTUDIO_ACTIONS adds to them.",
    ),
]
Reveal = Annotated[
    bool, typer.Option("--reveal", help="For admins: this one document with nothing masked, as JSON; with --reason.")
]
RevealReason = Annotated[
    str | None, typer.Option("--reason", help="Why it is revealed, at least 3 characters; it is audited.")
]
After = Annotated[str | None, typer.Option(help="Cursor of an earlier answer (`next`).")]
