"""All built-in actions that run in activities. (The pure ones are in ``engine.actions.pure``.)"""

from __future__ import annotations

from collections.abc import Iterator

from engine.actions.builtin.http import http_request
from engine.actions.builtin.http_exchange import Network, tls_of
from engine.actions.builtin.http_hosts import AllowedHosts
from engine.actions.builtin.links import LINK_ACTIONS
from engine.actions.builtin.regex import REGEX_ACTIONS
from engine.actions.builtin.store import STORE_ACTIONS
from engine.actions.builtin.zoned_time import ZONED_ACTIONS
from engine.actions.declaration import RegisteredAction, declarations_of
from engine.errors import Invalid
from engine.settings import Settings


def builtin_actions(settings: Settings) -> Iterator[RegisteredAction]:
    """The regex, zoned time, store, link and HTTP actions; ``settings`` say which hosts may be called.

    Raises ``Invalid`` (``SETTING_INVALID``) when the list of allowed hosts has an entry that is no host, or the file of further
    authorities holds no certificate.
    """
    for handler in (*REGEX_ACTIONS, *ZONED_ACTIONS, *STORE_ACTIONS, *LINK_ACTIONS):
        yield from declarations_of(handler)
    yield http_request(network_of(settings))


def network_of(settings: Settings) -> Network:
    """What calls may reach. Raises as ``builtin_actions``."""
    network = Network(AllowedHosts(settings.http_allowed_hosts), settings.http_proxy, settings.http_ca_file)
    try:
        tls_of(network.ca_file)
    except OSError as error:
        # Also what is wrong with the certificates in it.
        raise Invalid(
            "SETTING_INVALID",
            f"RUNSTUDIO_HTTP_CA_FILE names no file of certificates: {error.strerror or error}.",
            "Name a PEM file that the worker can read.",
        ) from None
    return network
