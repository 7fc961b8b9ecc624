"""A session in which nothing can be changed, whatever a screen forgets to ask: the control port is not there."""

from __future__ import annotations

from runstudio_tui.domain.catalog import CancelRequest, CancelResult, Started, StartRequest
from runstudio_tui.ports import Backend, CatalogPort, ChangePort, ControlPort, Forbidden, Reply, RunsPort, SystemPort


class _NoControl:
    async def start(self, request: StartRequest) -> Reply[Started]:
        """See ControlPort: refused."""
        raise _refused()

    async def cancel(self, request: CancelRequest) -> Reply[CancelResult]:
        """See ControlPort: refused."""
        raise _refused()


def _refused() -> Forbidden:
    return Forbidden("Read-only session", "Open the studio without --read-only to change something.", code="READ_ONLY")


class ReadOnlyBackend:
    """Another backend, without its control port."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._control = _NoControl()

    @property
    def runs(self) -> RunsPort:
        """See Backend."""
        return self._backend.runs

    @property
    def control(self) -> ControlPort:
        """See Backend: refuses everything."""
        return self._control

    @property
    def catalog(self) -> CatalogPort:
        """See Backend."""
        return self._backend.catalog

    @property
    def system(self) -> SystemPort:
        """See Backend."""
        return self._backend.system

    @property
    def feed(self) -> ChangePort:
        """See Backend."""
        return self._backend.feed

    async def open(self) -> None:
        """See Backend."""
        await self._backend.open()

    async def close(self) -> None:
        """See Backend."""
        await self._backend.close()
