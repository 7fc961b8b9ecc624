"""The filter of the runs list: typed, stepped through by keys, clicked; a pasted run id opens its run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from textual import on, work

from engine.errors import EngineError
from engine.records import RunFilter, RunOrder, RunRow
from runstudio_tui.domain.filter_text import FilterLine, id_begun_by, parse_filter
from runstudio_tui.domain.filter_words import Problem, tokens, with_value
from runstudio_tui.screens.filter_editing import FilterEditing
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.runs import RunsStore
from runstudio_tui.store.session import Studio
from runstudio_tui.widgets.bar import Bar

_STEPS: Final = {
    "status": ("", "running,waiting", "failed", "stuck"),
    "since": ("", "1h", "24h", "7d"),
    "sort": ("", *(order.value for order in RunOrder if order is not RunOrder.STARTED_DESC)),
}
"""The values a key of the filter goes through; without one it is as at the start."""
_WHOLE_ID: Final = 36


class RunsFiltering(FilterEditing):
    """Knows the list. A subclass asks again and draws when it is another one."""

    def __init__(self, studio: Studio, filter_text: str) -> None:
        super().__init__(studio)
        self.store = RunsStore(studio.backend.runs, studio.time, studio.zone)
        parsed = parse_filter(filter_text)
        self._refused = filter_text if parsed.problems else ""
        self.store.set_filter(FilterLine() if parsed.problems else parsed)
        self._left_at: str | None = None
        """The run under the cursor when the filter was changed: the cursor goes back to it where it is still listed."""

    def on_mount(self) -> None:
        """A filter given from outside that is not understood is not applied, but shown with what is wrong."""
        if self._refused:
            self.call_after_refresh(self.refuse_filter, self._refused)

    def filter_changed(self) -> None:
        """Another selection is wanted: ask for it."""
        raise NotImplementedError

    def redraw_list(self) -> None:
        """Draw the list where it differs."""
        raise NotImplementedError

    def back_to_the_run(self) -> None:
        """The list was read: the cursor goes back to the run it left."""
        if self._left_at is None or not len(self.store):
            return
        self.filtered_list().move_to(self._left_at)
        if not self.filter_editing:
            self._left_at = None

    # --- see FilterEditing --------------------------------------------------------------------------------------------

    def filter_text(self) -> str:
        """See FilterEditing."""
        return self.store.filter.text

    def filter_problems(self, text: str) -> Sequence[Problem]:
        """See FilterEditing."""
        return parse_filter(text).problems

    def take_filter(self, text: str) -> None:
        """See FilterEditing."""
        parsed = parse_filter(text)
        if replace(parsed, text="") == replace(self.store.filter, text=""):
            self.store.filter = parsed
            self.redraw_list()
            return
        self._left_at = self._left_at or self.filtered_list().cursor
        self.store.set_filter(parsed)
        self.filter_changed()

    def filter_done(self, text: str) -> None:
        """See FilterEditing: a run id opens its run; one word that is in no workflow's name is looked up as a key."""
        found = [token for token in tokens(text) if token.value]
        word = found[0].value if len(found) == 1 and found[0].key is None else ""
        begun = id_begun_by(word)
        if not word:
            self.take_filter(text)
        elif len(begun) == _WHOLE_ID:
            self.take_filter(self.filter_before)
            self._open_if_there_is(begun)
        elif begun:
            self.take_filter(with_value("", "id", begun))
        else:
            self._take_word(text, word)

    @work(group="filter", exclusive=True, exit_on_error=False)
    async def _open_if_there_is(self, run_id: str) -> None:
        try:
            summary = await self.studio.backend.runs.get(run_id)
        except EngineError as error:
            self.say(error.sentences, Weight.WARNING)
        else:
            self.studio_app.open_run(summary.run_id)

    @work(group="filter", exclusive=True, exit_on_error=False)
    async def _take_word(self, text: str, word: str) -> None:
        """As a key where runs waited for it and no run is of a workflow with it in its name."""
        runs = self.studio.backend.runs
        try:
            named, keyed = await asyncio.gather(
                runs.list(RunFilter(text=word), limit=1), runs.list(RunFilter(wait_key=word), limit=1)
            )
            is_key = bool(keyed.rows) and not named.rows
        except EngineError:
            is_key = False  # the list itself says what is wrong
        self.take_filter(with_value("", "key", word) if is_key else text)

    # --- by keys and clicks -------------------------------------------------------------------------------------------

    def step_through(self, key: str) -> None:
        """Set a key of the filter to the value after its present one."""
        values = _STEPS[key]
        present = next((token.value for token in tokens(self.store.filter.text) if token.key == key), "")
        at = values.index(present) if present in values else -1
        self.take_filter(with_value(self.store.filter.text, key, values[(at + 1) % len(values)]))

    def toggle_workflow(self, row: RunRow | None) -> None:
        """Filter by the workflow of a run, or take that out."""
        if row is not None:
            chosen = self.store.filter.query.workflow == row.workflow_id
            self.take_filter(with_value(self.store.filter.text, "wf", "" if chosen else row.workflow_id))

    @on(Bar.LinkClicked, "#counters")
    def _counter_clicked(self, event: Bar.LinkClicked) -> None:
        key, _, value = event.link.partition(":")
        chosen = parse_filter(event.link).query
        now = self.store.filter.query
        same = chosen.statuses == now.statuses and chosen.stuck == now.stuck
        self.take_filter(with_value(self.store.filter.text, key, "" if same else value))
