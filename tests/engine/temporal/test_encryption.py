"""Payloads encrypted before Temporal has them: what it stores says nothing, keys rotate, and no run reads another's."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload

from engine.errors import Invalid
from engine.ids import new_id
from engine.store.trace.payloads import ForgedPayload
from engine.temporal.payload_codec import EncryptedPayloads, LargePayloads
from engine.temporal.payload_keys import PayloadKeys
from tests.engine.workflow.harness import Bench
from tests.engine.workflow.steps import call, quick, wait_event

PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"canary-4712"')
OLD, NEW = (f"{name} {base64.b64encode(bytes([n]) * 32).decode()}" for n, name in enumerate(("k1", "k2")))


def keys(tmp_path: Path, *lines: str) -> PayloadKeys:
    file = tmp_path / "keys"
    file.write_text("\n".join(lines) + "\n")
    return PayloadKeys.read(file)


def codec(known: PayloadKeys, run_id: str | None) -> EncryptedPayloads:
    """Small payloads never reach the store."""
    return EncryptedPayloads(LargePayloads(None, run_id), known, run_id)  # type: ignore[arg-type]


async def test_keys_rotate(tmp_path: Path) -> None:
    run = new_id()
    [written] = await codec(keys(tmp_path, OLD), run).encode([PLAIN])
    assert b"canary" not in written.SerializeToString()
    [again] = await codec(keys(tmp_path, OLD), run).encode([PLAIN])
    assert again.data != written.data
    both = keys(tmp_path, NEW, OLD)
    assert await codec(both, run).decode([written, PLAIN]) == [PLAIN, PLAIN]
    [newer] = await codec(both, run).encode([PLAIN])
    assert newer.metadata["key"] == b"k2"
    with pytest.raises(LookupError, match="k1"):
        await codec(keys(tmp_path, NEW), run).decode([written])


async def test_no_run_reads_another_and_nothing_was_changed(tmp_path: Path) -> None:
    run, known = new_id(), keys(tmp_path, OLD)
    [written] = await codec(known, run).encode([PLAIN])
    assert await codec(known, None).decode([written]) == [PLAIN]
    with pytest.raises(ForgedPayload):
        await codec(known, new_id()).decode([written])
    stolen = Payload(metadata={**written.metadata, "run": b""}, data=written.data)
    torn = Payload(metadata=written.metadata, data=written.data[:-1] + b"\0")
    cut = Payload(metadata=written.metadata, data=written.data[:5])
    for forged in (stolen, torn, cut):
        with pytest.raises(ForgedPayload):
            await codec(known, run).decode([forged])


@pytest.mark.parametrize("content", ["", "k1", "k1 AAAA", f"{OLD}\n{OLD}", "a b c", "ä AAAA"])
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(Invalid, match="RUNSTUDIO_PAYLOAD_KEYS") as refused:
        keys(tmp_path, *content.split("\n"))
    assert "AAAA" not in str(refused.value)
    with pytest.raises(Invalid):
        PayloadKeys.read(tmp_path / "missing")


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_run_whose_history_says_nothing(
    idle_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    keys(tmp_path, OLD)
    if encrypted:
        monkeypatch.setenv("RUNSTUDIO_PAYLOAD_KEYS", str(tmp_path / "keys"))
    async with idle_bench.worker():
        await idle_bench.publish(
            [quick("q"), wait_event("w"), call("big", "test.sized", characters=300_000)], "wf.main"
        )
        run = await idle_bench.start({"name": "canary-4712"})
        await run.waiting("event")
        await run.send_event("PING", {"name": "canary-4712"})
        assert (await run.ended())["status"] == "SUCCEEDED"
    stored = b"".join(event.SerializeToString() for event in (await run.history()).events)
    assert (b"canary-4712" not in stored) is encrypted
    assert (await run.result())["scopes"]["payload"]["name"] == "canary-4712"
