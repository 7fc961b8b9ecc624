"""The file format of workflow bundles, as pydantic models: strict, so that an unknown key is refused, not dropped."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from engine.values.request_limits import NOT_IN_AN_ID

FORMAT: Final = "alga-psa.workflow-bundle"
"""The marker of the system this engine succeeds, so that its files can be read and it can read ours."""
FORMAT_VERSION: Final = 1
_LONGEST_KEY: Final = 200

_Text = Annotated[str, StringConstraints(min_length=1)]
_Number = Annotated[int, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel, validate_by_name=True)


class ActionReference(_Part):
    """One version of an action that a workflow calls."""

    action_id: _Text
    version: _Number


class Dependencies(_Part):
    """What must be there for the workflows to run."""

    actions: list[ActionReference]
    node_types: list[_Text]
    schema_refs: list[_Text]


class Metadata(_Part):
    """What is kept beside a workflow's definitions."""

    name: _Text
    description: str | None
    payload_schema_ref: str | None
    payload_schema_mode: Literal["pinned", "inferred"]
    pinned_payload_schema_ref: str | None
    trigger: dict[str, Any] | None
    is_system: bool
    is_visible: bool
    is_paused: bool
    concurrency_limit: Annotated[int, Field(ge=0)] | None
    auto_pause_on_failure: bool
    failure_rate_threshold: float | str | None
    failure_rate_min_runs: int | None
    retention_policy_override: dict[str, Any] | None


class Draft(_Part):
    """The definition being worked on; it need not be publishable."""

    draft_version: _Number
    definition: dict[str, Any]


class PublishedVersion(_Part):
    """One version as it was published, with the payload schema frozen then; null accepts any object."""

    version: _Number
    definition: dict[str, Any]
    payload_schema_json: dict[str, Any] | None


class BundledWorkflow(_Part):
    """One workflow with everything that is published of it."""

    key: Annotated[str, StringConstraints(pattern=f"^[^{NOT_IN_AN_ID}]+$", max_length=_LONGEST_KEY)]
    """Names the workflow across systems."""
    metadata: Metadata
    dependencies: Dependencies
    draft: Draft
    published_versions: list[PublishedVersion]


class Bundle(_Part):
    """The whole file."""

    format: str
    format_version: int
    exported_at: _Text
    workflows: Annotated[list[BundledWorkflow], Field(min_length=1)]
