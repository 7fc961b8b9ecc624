"""Secrets of Kubernetes, whose names need not say that they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN
from engine.values.redaction.redact import redact, redact_text

CANARY = "zK9qLm27xWvT"
SECRET: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"any": CANARY}}
LINES = (
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\n"
    f"stringData:\n  user: ada\n  any: |\n    {CANARY}\n\n    {CANARY}\ntype: Opaque\n"
)


@pytest.mark.parametrize(
    "value", [SECRET, {"kind": "List", "items": [SECRET]}, {**SECRET, "stringData": {"any": CANARY}}]
)
def test_all_data_of_a_secret_is_hidden(value: Any) -> None:
    for shown in (json.dumps(redact(value, BUILT_IN)[0]), redact_text(json.dumps(value, indent=2), BUILT_IN)):
        assert CANARY not in shown
        assert PLACEHOLDER in shown


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        LINES.replace("\n", "\r\n"),
        f"data:\n  any: {CANARY}\nkind: Secret",
        f"items:\n- apiVersion: v1\n  data:\n    any: {CANARY}\n  kind: Secret\n",
        f"items:\n- data:\n    any: {CANARY}\n  kind: 'Secret' # one\n",
        f"kind: ConfigMap\ndata:\n  a: b\n---\n{LINES}",
    ],
)
def test_all_data_of_a_secret_in_yaml_is_hidden(text: str) -> None:
    shown = redact_text(text, BUILT_IN)
    assert CANARY not in shown
    assert PLACEHOLDER in shown
    assert ("type: Opaque" in shown) == ("type: Opaque" in text)
    assert ("a: b" in shown) == ("a: b" in text)
    assert redact_text(shown, BUILT_IN) == shown


@pytest.mark.parametrize(
    "value",
    [
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"any": "x"}}, {"kind": "Secret", "data": {"any": "x"}},
        "kind: ConfigMap\ndata:\n  any: x\n", "kind: SecretStore\ndata:\n  any: x\n", "kind: Secret\nspec:\n  any: x\n",
        "kind: Secret\n---\nkind: ConfigMap\ndata:\n  any: x\n",
    ],
)  # fmt: skip
def test_data_of_other_manifests_is_shown(value: Any) -> None:
    assert redact(value, BUILT_IN)[0] == value
