"""``event.wait`` and the settings of steps that do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.definition.action_checks import without_effect
from engine.definition.correlation import correlation_paths_for
from engine.definition.issues import Issue
from engine.definition.publish_context import PublishContext
from engine.definition.sites import Site

_RETRYING: Final = ("action.call", "control.callWorkflow", "email.parseBody", "email.renderCommentBlocks")


def correlation_issues(site: Site, context: PublishContext) -> Iterator[Issue]:
    """EVENT_WAIT_UNCORRELATABLE, or EVENT_WAIT_CORRELATION_CONTRACT that says which payload fields the key must equal."""
    name = site.config.get("eventName")
    if not isinstance(name, str) or not name.strip() or _accepts_any_key(site):
        return
    paths = correlation_paths_for(context.correlation_paths, name)
    if paths:
        yield site.place.warning(
            "EVENT_WAIT_CORRELATION_CONTRACT",
            f"/config/correlationKey: An event {name} resumes this wait only when the key equals its explicit key, or one of "
            f"the payload fields {', '.join(paths)}.",
        )
    else:
        yield site.place.error(
            "EVENT_WAIT_UNCORRELATABLE",
            f"/config/eventName: Nothing gives events {name} a correlation key, so this wait could never end.",
            f"Configure correlation paths for {name}, or for * to cover every event.",
        )


def _accepts_any_key(site: Site) -> bool:
    key = site.config.get("correlationKey")
    source = key.get("$expr") if isinstance(key, dict) else None
    return isinstance(source, str) and source.strip() == "null"


def setting_issues(site: Site) -> Iterator[Issue]:
    """SETTING_WITHOUT_EFFECT for what a step accepts but never uses."""
    retry = site.step.get("retry")
    if retry is not None and site.type not in _RETRYING:
        yield without_effect(site, "/retry", f"a step {site.type} is not tried again")
    elif isinstance(retry, dict) and retry.get("maxAttempts") == 1:
        yield without_effect(site, "/retry", "one attempt is what a step without retry gets")
    if site.type == "time.wait":
        unused = {"duration": "until", "until": "durationMs"}.get(str(site.config.get("mode")))
        if unused and site.config.get(unused) is not None:
            yield without_effect(site, f"/config/{unused}", f"mode {site.config['mode']} does not read it")
    if site.type == "action.call" and site.config.get("onError") is not None and site.step.get("onError") is not None:
        yield without_effect(site, "/config/onError", "the step's own onError is the one that counts")
