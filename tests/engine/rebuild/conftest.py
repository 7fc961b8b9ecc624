"""The world in which runs are made that are rebuilt afterwards."""

from tests.engine.workflow.conftest import bench, idle_bench, store

__all__ = ["bench", "idle_bench", "store"]
