"""Change notices from Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator

from engine.store.notifications import RUNS, notices
from runstudio_tui.backend.engine_backend.refusals import translated
from runstudio_tui.domain.catalog import Change, ChangeKind
from runstudio_tui.domain.models import RunId


class EngineFeed:
    """``ChangePort`` on LISTEN/NOTIFY."""

    def __init__(self, url: str, tenant: str) -> None:
        self._url = url
        self._tenant = tenant

    async def changes(self) -> AsyncIterator[Change]:
        """See ChangePort."""
        with translated():
            async for notice in notices(self._url, (RUNS,), application_name="runstudio studio"):
                tenant, _, run_id = notice.payload.partition(":")
                if tenant == self._tenant:
                    yield Change(ChangeKind.RUN, RunId(run_id))
