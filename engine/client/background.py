"""An event loop in a thread of its own, for calls from other threads."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from engine.errors import EngineError
from engine.store.database.callers_thread import CallersThread

T = TypeVar("T")


class BackgroundLoop:
    """Runs from ``start`` to ``stop``, in the process that started it."""

    def __init__(self) -> None:
        # Reentrant: the garbage collector may close an iterator, which calls, in a thread that holds it.
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = 0

    def start(self) -> None:
        """Start the thread; nothing when it runs. Raises ``EngineError`` (ENGINE_FORKED)."""
        self._refuse_forked()
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                # A program that forgets to close must still be able to end.
                thread = threading.Thread(target=loop.run_forever, name="runstudio", daemon=True)
                thread.start()
                self._loop, self._thread, self._process = loop, thread, os.getpid()

    def call(self, work: Callable[[CallersThread], Coroutine[Any, Any, T]]) -> T:
        """What ``work`` gives or raises in the loop; the calling thread waits, and does what ``work`` gives it to do.

        Raises ``EngineError``: ENGINE_CLOSED when the loop does not run or stops meanwhile, ENGINE_FORKED in a process that was
        forked from the one that started it, ENGINE_BUSY in the loop's own thread, which would wait for itself.
        """
        self._refuse_forked()
        self._refuse_own_thread()
        thread = CallersThread()
        with self._lock:
            if self._loop is None:
                raise _closed()
            # Under the lock: what is begun is begun before the loop is stopped.
            answer = thread.begin(self._loop, work(thread))
        try:
            return answer()
        except asyncio.CancelledError:
            raise _closed() from None

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """End what is under way, do ``last`` in the loop, and wait until the thread has ended. Harmless when it does not run.

        Raises ``EngineError``: ENGINE_BUSY in the loop's own thread.
        """
        if self._forked:
            return
        self._refuse_own_thread()
        with self._lock:
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        try:
            CallersThread().begin(loop, _wind_up(last))()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    @property
    def _forked(self) -> bool:
        # Asked before the lock is touched: at the fork some other thread may have held it.
        return self._loop is not None and self._process != os.getpid()

    def _refuse_forked(self) -> None:
        if self._forked:
            raise EngineError(
                "ENGINE_FORKED",
                "This process was forked from the one that opened the engine, and has neither its thread nor its connections.",
                "Make an engine and open it in each process, after the fork.",
            )

    def _refuse_own_thread(self) -> None:
        if self._thread is threading.current_thread():
            raise EngineError(
                "ENGINE_BUSY",
                "A callback of a call of this engine called the engine, which waits for that callback.",
                "Remember in the callback what to ask, and ask when the call has returned.",
            )


async def _wind_up(last: Callable[[], Coroutine[Any, Any, None]]) -> None:
    under_way = asyncio.all_tasks() - {asyncio.current_task()}
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    await last()
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


def _closed() -> EngineError:
    return EngineError(
        "ENGINE_CLOSED", "The engine is not open.", "Use it inside `with`, or between open() and close()."
    )
