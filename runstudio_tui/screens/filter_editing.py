"""Editing a filter line: live while it is typed and understood, put back by esc; what is not understood is never applied."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from textual import events, on

from runstudio_tui.domain.filter_words import Problem
from runstudio_tui.screens.base import StudioScreen
from runstudio_tui.widgets.filter_bar import FilterBar
from runstudio_tui.widgets.virtual_list import VirtualList

_DEBOUNCE: Final = 0.3
"""Seconds without a key before what is typed is applied."""


class FilterEditing(StudioScreen):
    """A screen with a FilterBar. A subclass reads filter lines and takes those that are understood."""

    def filter_text(self) -> str:
        """The filter line in force."""
        raise NotImplementedError

    def filter_problems(self, text: str) -> Sequence[Problem]:
        """What a filter line says that is not understood."""
        raise NotImplementedError

    def take_filter(self, text: str) -> None:
        """Show another selection; only called with a line that is understood."""
        raise NotImplementedError

    def filter_done(self, text: str) -> None:
        """enter: take a line that is understood."""
        self.take_filter(text)

    @property
    def filter_before(self) -> str:
        """The filter line in force when the input was opened."""
        return self._before_edit

    def filtered_list(self) -> VirtualList:
        """The list the filter is about: it gets the keys back."""
        raise NotImplementedError

    _draft: asyncio.Task[None] | None = None
    _before_edit = ""

    async def on_unmount(self) -> None:
        """See StudioScreen."""
        self._drop_draft()

    @property
    def filter_editing(self) -> bool:
        """True while the input is open."""
        return self.query_one(FilterBar).editing

    def typing(self) -> str:
        """See StudioScreen."""
        return "filter" if self.filter_editing else ""

    def edit_filter(self) -> None:
        """Open the input on the filter in force."""
        self._before_edit = self.filter_text()
        self.query_one(FilterBar).edit(f"{self._before_edit} " if self._before_edit else "")

    @on(events.DescendantFocus)
    def _keys_went_elsewhere(self) -> None:
        """A click on the list: what was typed counts as done, so that no open input is left behind."""
        bar = self.query_one(FilterBar)
        if bar.editing and self.focused is not None and bar not in self.focused.ancestors:
            self._drop_draft()
            self.query_one(FilterBar).close()
            if not self.filter_problems(bar.text):
                self.take_filter(bar.text)

    def leave_filter(self) -> None:
        """esc: close the input, and show again what was shown before it was opened."""
        self._drop_draft()
        self._close()
        self.take_filter(self._before_edit)

    def refuse_filter(self, text: str) -> None:
        """A filter line that is not understood came from elsewhere: open the input on it, with what is wrong."""
        problem = self.filter_problems(text)[0]
        self._before_edit = self.filter_text()
        bar = self.query_one(FilterBar)
        bar.edit(text)
        bar.complain(problem.message, problem.token)

    def _drop_draft(self) -> None:
        if self._draft is not None:
            self._draft.cancel()

    def _close(self) -> None:
        self.query_one(FilterBar).close()
        self.filtered_list().focus()

    @on(FilterBar.Edited)
    def _filter_edited(self, event: FilterBar.Edited) -> None:
        self._drop_draft()
        if not event.done:
            self.query_one(FilterBar).complain("")
            self._draft = asyncio.create_task(self._apply_later(event.text))
            return
        problems = self.filter_problems(event.text)
        if problems:
            # The input stays open on the word, with what was meant beside it; the list stays as it is.
            self.query_one(FilterBar).complain(problems[0].message, problems[0].token)
            return
        self._close()
        self.filter_done(event.text)

    async def _apply_later(self, text: str) -> None:
        """Live filtering, once the typing pauses; a line that is not understood yet waits for more."""
        await self.studio.clock.wait(asyncio.Event(), _DEBOUNCE)
        if not self.filter_problems(text):
            self.take_filter(text)
