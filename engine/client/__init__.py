"""The front door: everything a program, a command or the studio may ask the engine for."""

from engine.client.engine import Engine
from engine.client.sync import SyncEngine
from engine.operations.actor import Source

__all__ = ["Engine", "Source", "SyncEngine"]
