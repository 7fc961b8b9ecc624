"""Expected against observed. Every difference is one line with both sides; no line means that the case passes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from tests.conformance.observed import Json, Observed, ObservedRun

_NOT_WAITS = ("retry", "child")
"""Wait types the cases do not speak of: back-offs are in ``timers``, children in ``runs``."""


def differences(expect: Json, observed: Observed) -> list[str]:
    """What a case of kind run or event-ingest expects and did not get."""
    found: list[str] = []
    for name, expected in expect.items():
        check = _CHECKS.get(name)
        if check is None:
            found.append(f"{name}: this expectation is not known to the checks")
        else:
            found += [f"{name}{difference}" for difference in check(expected, observed)]
    return found


def overruled(expect: Json, observed: Observed) -> list[str]:
    """Where the case says otherwise than the design, and the design was taken: named in the report."""
    run = observed.run()
    timed_out = run is not None and any(wait["status"] == "TIMED_OUT" for wait in run.waits)
    if timed_out and any(wait["status"] == "RESOLVED" for wait in expect.get("waits", ())):
        return ["expect.waits has a wait that timed out as RESOLVED; by the design it is TIMED_OUT"]
    return []


def differing(expected: Any, observed: Any, at: str = "") -> list[str]:
    """Deep comparison by JSON type and value."""
    if isinstance(expected, dict) and isinstance(observed, dict):
        found = []
        for name in [*expected, *(name for name in observed if name not in expected)]:
            if name not in observed:
                found.append(f"{at}.{name}: expected {_text(expected[name])}, observed nothing")
            elif name not in expected:
                found.append(f"{at}.{name}: expected nothing, observed {_text(observed[name])}")
            else:
                found += differing(expected[name], observed[name], f"{at}.{name}")
        return found
    if isinstance(expected, list) and isinstance(observed, list) and len(expected) == len(observed):
        return [
            difference
            for index, (left, right) in enumerate(zip(expected, observed, strict=True))
            for difference in differing(left, right, f"{at}[{index}]")
        ]
    same = expected == observed and isinstance(expected, bool) == isinstance(observed, bool)
    return [] if same else [f"{at}: expected {_text(expected)}, observed {_text(observed)}"]


def _subset(expected: Any, observed: Any, at: str = "") -> list[str]:
    """As ``differing``, but objects may have more keys than expected."""
    if isinstance(expected, dict) and isinstance(observed, dict):
        return [
            difference
            for name in expected
            for difference in (
                _subset(expected[name], observed[name], f"{at}.{name}")
                if name in observed
                else [f"{at}.{name}: expected {_text(expected[name])}, observed nothing"]
            )
        ]
    return differing(expected, observed, at)


def _each(
    expected: list[Any], observed: list[Any], compare: Callable[[Any, Any, str], list[str]] = _subset
) -> list[str]:
    if len(expected) != len(observed):
        return [f": expected {len(expected)} {_text(expected)}, observed {len(observed)} {_text(observed)}"]
    return [
        line for index, pair in enumerate(zip(expected, observed, strict=True)) for line in compare(*pair, f"[{index}]")
    ]


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 600 else f"{text[:600]}… ({len(text)} characters)"


def without_times(value: Any) -> Any:
    """Errors without ``at`` and ``details``, which no case can know."""
    if isinstance(value, list):
        return [without_times(item) for item in value]
    if isinstance(value, dict):
        if {"category", "message", "nodePath"} <= value.keys():
            value = {name: item for name, item in value.items() if name not in ("at", "details")}
        return {name: without_times(item) for name, item in value.items()}
    return value


def numbered(steps: Iterable[Json]) -> list[Json]:
    """Steps with ``attempt`` as the cases count it: the ordinal of the visit of that path."""
    visits: Counter[str] = Counter()
    result = []
    for step in steps:
        visits[step["path"]] += 1
        result.append({"path": step["path"], "status": step["status"], "attempt": visits[step["path"]]})
    return result


def _of_main(check: Callable[[Any, ObservedRun], list[str]]) -> Callable[[Any, Observed], list[str]]:
    def checked(expected: Any, observed: Observed) -> list[str]:
        run = observed.run()
        return [": there is no main run"] if run is None else check(expected, run)

    return checked


def _waits(expected: list[Json], run: ObservedRun) -> list[str]:
    observed = [wait for wait in run.waits if wait["type"] not in _NOT_WAITS]
    # Where a case and the design disagree, the design wins: a wait that timed out is TIMED_OUT, not RESOLVED.
    wanted = [
        {**wait, "status": "TIMED_OUT"} if wait["status"] == "RESOLVED" and seen["status"] == "TIMED_OUT" else wait
        for wait, seen in zip(expected, observed, strict=False)
    ] + expected[len(observed) :]
    return _each(wanted, observed)


def _steps(expected: list[Json], run: ObservedRun) -> list[str]:
    return _each(expected, numbered(run.steps), differing)


def _error(expected: Json, run: ObservedRun) -> list[str]:
    if run.error is None:
        return [f": expected {_text(expected)}, observed none"]
    exact = {name: value for name, value in expected.items() if name != "messageContains"}
    found = _subset(exact, run.error)
    part = expected.get("messageContains")
    if part is not None and part not in run.error["message"]:
        found.append(f".message: expected to contain {_text(part)}, observed {_text(run.error['message'])}")
    return found


def _vars_absent(expected: list[str], run: ObservedRun) -> list[str]:
    return [f": {name} should be absent, observed {_text(run.vars[name])}" for name in expected if name in run.vars]


def _all_steps(expected: str, run: ObservedRun) -> list[str]:
    return [f": {step['path']} is {step['status']}" for step in run.steps if step["status"] != expected]


def _runs(expected: list[Json], observed: Observed) -> list[str]:
    def compare(wanted: Json, run: ObservedRun, at: str) -> list[str]:
        ids = [known.run_id for known in observed.runs]
        seen: Json = {
            "workflowId": run.workflow_id,
            "version": run.version,
            "status": run.status,
            "input": run.input,
            "parentIndex": ids.index(run.parent) if run.parent in ids else None,
            "rootIndex": ids.index(run.root) if run.root in ids else None,
            "replayOf": next((alias for alias, run_id in observed.aliases.items() if run_id == run.replay_of), None),
            "vars": without_times(run.vars),
            "payload": run.payload,
        }
        exact = {name: value for name, value in wanted.items() if name not in ("steps", "error")}
        found = [
            line
            for name, value in exact.items()
            for line in (differing(value, seen[name], f"{at}.{name}") if name in seen else [f"{at}.{name}: not known"])
        ]
        for name, check in (("steps", _steps), ("error", _error)):
            if name in wanted:
                found += [f"{at}.{name}{line}" for line in check(wanted[name], run)]
        return found

    return _each(expected, observed.runs, compare)


def _checkpoints(expected: list[Json], observed: Observed) -> list[str]:
    found = []
    for wanted in expected:
        index = wanted["afterOp"]
        seen = observed.checkpoints[index] if index < len(observed.checkpoints) else None
        if seen is None:
            found.append(f"[{index}]: there is no main run")
            continue
        facts = {"phase": seen.phase, "status": seen.status, "openWaits": seen.open_waits}
        found += [
            line
            for name in wanted
            if name != "afterOp"
            for line in differing(wanted[name], facts.get(name), f"[{index}].{name}")
        ]
    return found


_REFUSALS = (
    ("paused", ("WORKFLOW_PAUSED",)),
    ("concurrency", ("CONCURRENCY_LIMIT",)),
    ("published version", ("NOT_PUBLISHED", "VERSION_NOT_FOUND", "WORKFLOW_NOT_FOUND")),
    ("not found", ("WORKFLOW_NOT_FOUND", "VERSION_NOT_FOUND", "RUN_NOT_FOUND")),
    ("valid", ("PAYLOAD_REJECTED",)),
)
"""What the cases call a refusal, and the codes of ours that mean it: programs read codes, and our sentences are our own."""


def _refused_as(expected: str, seen: Json) -> bool:
    if expected in str(seen.get("error")):
        return True
    return any(word in expected.lower() and seen.get("code") in codes for word, codes in _REFUSALS)


def _op_results(expected: list[Json], observed: Observed) -> list[str]:
    found = []
    for wanted in expected:
        index = wanted["afterOp"]
        seen = observed.op_results[index]
        for name, value in wanted.items():
            if name == "error" and isinstance(value, str):
                if not _refused_as(value, seen):
                    found.append(
                        f"[{index}].error: expected to contain {_text(value)}, observed {_text(seen.get('error'))}"
                    )
            elif name not in ("afterOp", "op"):
                found += _subset(value, seen.get(name), f"[{index}].{name}")
    return found


def _tasks(expected: list[Json], observed: Observed) -> list[str]:
    return _each(expected, observed.tasks)


def _started_runs(expected: list[Json], observed: Observed) -> list[str]:
    seen = [
        {
            "workflowId": run.workflow_id,
            "version": run.version,
            "payload": run.input,
            "triggerMappingApplied": run.trigger_mapping_applied,
        }
        for run in observed.runs
    ]
    return _each(expected, seen)


def _secret_reads(expected: Any, observed: Observed) -> list[str]:
    if isinstance(expected, int):
        return differing(expected, len(observed.secret_reads))
    names = [item["name"] if isinstance(item, dict) else item for item in expected]
    return differing(names, observed.secret_reads)


def _event_error(expected: Any, observed: Observed) -> list[str]:
    errors = [event["error"] for event in observed.events]
    if expected is None:
        return [f": expected none, observed {_text(error)}" for error in errors if error is not None]
    return (
        []
        if any(expected in str(error) for error in errors)
        else [f": expected {_text(expected)}, observed {_text(errors)}"]
    )


def _no_run(expected: str, observed: Observed) -> list[str]:
    if expected != "none":
        return [f": {expected} is not known to the checks"]
    return [f": observed {run.status} {run.workflow_id}" for run in observed.runs]


_CHECKS: dict[str, Callable[[Any, Observed], list[str]]] = {
    "status": _of_main(lambda expected, run: differing(expected, run.status)),
    "phase": _of_main(lambda expected, run: differing(expected, run.phase)),
    "steps": _of_main(_steps),
    "stepCount": _of_main(lambda expected, run: differing(expected, len(run.steps))),
    "allSteps": _of_main(_all_steps),
    "waits": _of_main(_waits),
    "timers": _of_main(lambda expected, run: differing(expected, run.timers)),
    "vars": _of_main(lambda expected, run: differing(without_times(expected), without_times(run.vars))),
    "varsSubset": _of_main(lambda expected, run: _subset(expected, without_times(run.vars))),
    "varsAbsent": _of_main(_vars_absent),
    "payload": _of_main(lambda expected, run: differing(expected, run.payload)),
    "meta": _of_main(lambda expected, run: _subset(expected, run.meta)),
    "error": _of_main(_error),
    "run": _no_run,
    "runs": _runs,
    "calls": lambda expected, observed: _each(expected, observed.calls, differing),
    "checkpoints": _checkpoints,
    "opResults": _op_results,
    "tasks": _tasks,
    "invocations": lambda expected, observed: _each(expected, observed.invocations),
    "quotaUsed": lambda expected, observed: differing(expected, observed.quota_used),
    "secretReads": _secret_reads,
    "startedRuns": _started_runs,
    "eventRecorded": lambda expected, observed: differing(expected, bool(observed.events)),
    "eventError": _event_error,
}
