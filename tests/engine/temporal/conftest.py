"""The world of a test of the workflow, for runs whose payloads are looked at."""

from tests.engine.workflow.conftest import bench, idle_bench, store

__all__ = ["bench", "idle_bench", "store"]
