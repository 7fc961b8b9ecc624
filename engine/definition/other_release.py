"""What a definition has that this build cannot read, although another one has published it: a later release has more to offer."""

from __future__ import annotations

from typing import Any

from engine.definition.expression_checks import expression_issues
from engine.definition.parse import parse_definition
from engine.definition.sites import sites
from engine.errors import Invalid


def first_unread(definition: Any) -> str | None:
    """The first place with another shape than this build reads, or with an expression that it does not; None: it reads all.

    Publishing refuses both, so none is in what this build has published. Types of steps are left to ``unknown_types``.
    """
    try:
        parse_definition(definition)
    except Invalid as problem:
        for issue in problem.details["issues"]:
            if issue["kind"] != "unknown-type":
                return f"{issue['path']} ({issue['message']})"
    for site in sites(definition):
        for finding in expression_issues(site):
            return f"{finding.step_path}, {finding.message.rstrip('.')}"
    return None
