"""A thread that waits for an answer of the event loop, and meanwhile does what only this thread may do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class CallersThread:
    """One call from a thread into a loop that runs in another. Made in the calling thread, used once."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._interruption: BaseException | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> Callable[[], T]:
        """From the thread: start ``work`` in the loop; what is returned waits for its end. The loop must not end before it.

        The jobs that the work hands back are done while waiting, in order. An interruption (Ctrl-C) cancels the work, waits
        until that has put itself in order, and is raised.
        """
        tasks: list[asyncio.Task[T]] = []

        def start() -> None:
            task = loop.create_task(work)
            task.add_done_callback(lambda _: self._jobs.put(None))
            tasks.append(task)

        def wait() -> T:
            while True:
                try:
                    job = self._jobs.get()
                    if job is None:
                        break
                    job()
                except BaseException as interruption:  # noqa: BLE001 - raised below, once the work has ended
                    self._interruption = interruption
                    loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
            if self._interruption is not None:
                raise self._interruption
            return tasks[0].result()

        loop.call_soon_threadsafe(start)
        return wait

    async def run(self, job: Callable[[], T]) -> T:
        """From the loop: what ``job`` gives or raises in the thread."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(how: Callable[[], object]) -> None:
            # Nobody waits for the answer any more when the work was cancelled.
            loop.call_soon_threadsafe(lambda: answer.done() or how())

        def do() -> None:
            try:
                given = job()
            except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
                failure = error
                settle(lambda: answer.set_exception(failure))
            except BaseException as interruption:  # noqa: BLE001 - a loop must not see it; the thread raises it
                self._interruption = interruption
                settle(answer.cancel)
            else:
                settle(lambda: answer.set_result(given))

        self._jobs.put(do)
        return await answer
