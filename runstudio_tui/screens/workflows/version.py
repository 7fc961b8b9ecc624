"""One version of a workflow, step by step, and what is different from another one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from textual import events, on
from textual.binding import BindingType

from engine.records import Version
from runstudio_tui.actions import Scope, Situation
from runstudio_tui.domain.definition_diff import Change
from runstudio_tui.screens.base import Handlers, screen_bindings
from runstudio_tui.screens.run.searching import Searching
from runstudio_tui.screens.workflows.parts import PartList
from runstudio_tui.screens.workflows.version_lines import header_lines
from runstudio_tui.store.feed import Poller
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.run import OnDemand
from runstudio_tui.store.session import Studio
from runstudio_tui.store.versions import Laid, Versions
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import cut
from runstudio_tui.widgets.compare_pane import ComparePane
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.json_pane import JsonPane
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.split import Split
from runstudio_tui.widgets.virtual_list import VirtualList

WIDE: Final = 100
"""Columns from which the fields stand beside the steps; below, they take their place."""
_LOOK_SECONDS: Final = 10.0
"""How often it is asked whether there are other versions."""
_ALL_OPEN: Final = 99
_BESIDE_NAME: Final = 44


class VersionScreen(Searching):
    """Steps on the left, the fields of the one under the cursor on the right."""

    SCOPE = Scope.VERSION
    BINDINGS: ClassVar[list[BindingType]] = screen_bindings(Scope.VERSION)
    DEFAULT_CSS = """
    VersionScreen #header { height: 2; }
    VersionScreen Split > .-left { width: 1fr; }
    VersionScreen Split > .-right { width: 1fr; }
    VersionScreen.-narrow Split > .-right { display: none; border-left: none; }
    VersionScreen.-narrow.-fields Split > .-left { display: none; }
    VersionScreen.-narrow.-fields Split > .-right { display: block; }
    """

    def __init__(
        self, studio: Studio, workflow_id: str, name: str, number: int, *, path: str = "", comparing: bool = False
    ) -> None:
        """``path``: the step to begin at. ``comparing``: begin with what is different from the version before."""
        super().__init__(studio)
        self._name_of = name
        self._path = path
        self._to_first_change = comparing
        self.versions = Versions(studio.backend.workflows, workflow_id, number, comparing=comparing)
        self.parts = PartList()
        self.fields = ComparePane(id="fields")
        self._laid: OnDemand[Laid] = OnDemand(self._lay, self._arrived, clock=studio.clock)
        self._poller: Poller[tuple[Version, ...]] = Poller(
            clock=studio.clock,
            fetch=self.versions.fetch,
            apply=self._apply,
            interval=lambda: max(studio.poll_seconds, _LOOK_SECONDS),
            polled=self._look,
            broken=studio.report_bug,
        )

    # --- parts --------------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Any]:
        """See StudioScreen."""
        yield Bar(id="header")
        yield Split(self.parts, self.fields)
        yield LineInput(id="find", placeholder="find", select_on_focus=False)

    def where(self) -> Line:
        """See StudioScreen."""
        name = cut(safe(self._name_of), max(self.size.width - _BESIDE_NAME, 12))
        return line(Span("Workflows ▸ ", "dim"), Span(f"{name} v{self.versions.number}", "accent"))

    def pollers(self) -> tuple[Poller[Any], ...]:
        """See StudioScreen."""
        return (self._poller,)

    def on_mount(self) -> None:
        """See StudioScreen."""
        self.parts.focus()
        self._fit()
        self.show_all()

    async def on_unmount(self) -> None:
        """Stop asking."""
        self._laid.stop()

    def situation(self) -> Situation:
        """See StudioScreen."""
        return Situation(
            level=self.studio.level,
            finding=bool(self.finder.wanted),
            panes=self.fields.has_focus,
            can_open=not self.fields.has_focus or self.fields.can_open,
            comparing=self._comparing,
        )

    def note_right(self) -> Line:
        """See StudioScreen: the search, else where in the fields the cursor is."""
        if self.finder.wanted:
            return line(Span(f"{safe(self.finder.place_text)} ", "dim"))
        return line(Span(f"{self.fields.path} ", "dim")) if self.fields.has_focus and self.fields.path else ()

    def searched(self) -> VirtualList:
        """See Searching."""
        return self.fields if self.fields.has_focus else self.parts

    def searchable(self) -> tuple[VirtualList, ...]:
        """See Searching."""
        return (self.parts, self.fields)

    # --- data ---------------------------------------------------------------------------------------------------------

    def _apply(self, versions: tuple[Version, ...]) -> None:
        if versions != self.versions.known:
            self.versions.known = versions
            self.as_of = self.studio.time.now()

    def _look(self) -> None:
        """Ask for what is to be shown now, unless it is there."""
        if self.versions.known:
            body = self._laid.body
            wanted = (self.versions.number, self.versions.base)
            failed = body is not None and body.key == wanted and body.value is None
            self._laid.look_at(wanted, again=failed)
        self.show_all()

    async def _lay(self, key: object) -> Laid:
        number, base = key if isinstance(key, tuple) else (0, 0)
        return await self.versions.lay(number, base)

    def _arrived(self) -> None:
        self.show_all()
        laid = self._shown
        if laid is None:
            return
        if self._path:
            self.parts.move_to(f"={self._path}")
        elif self._to_first_change:
            self.parts.to_change(1, from_top=True)
        self._path, self._to_first_change = "", False
        self._show_fields()

    @property
    def _shown(self) -> Laid | None:
        """What is laid out of what is looked at now; None while it is on its way."""
        body = self._laid.body
        wanted = (self.versions.number, self.versions.base)
        return body.value if body is not None and body.key == wanted else None

    @property
    def _comparing(self) -> bool:
        return self._shown is not None and self._shown.comparing

    # --- drawing ------------------------------------------------------------------------------------------------------

    def show_all(self) -> None:
        """Draw everything again where it differs."""
        if not self.can_draw:
            return
        body = self._laid.body
        failed = body is not None and body.value is None and body.error is not None
        nothing = body.error.sentences if body is not None and body.error is not None else "loading…"
        current = self.versions.current
        laid = self._shown
        self.parts.show_parts(
            laid.lines if laid is not None else (),
            current.warnings if current is not None else (),
            line(Span(safe(nothing), "failed" if failed else "dim")),
        )
        self.query_one("#header", Bar).show(
            lambda cells: header_lines(self.versions, laid, self.parts.warnings, self.studio.zone, cells)
        )
        self._show_fields()
        self.show_chrome()

    def _show_fields(self) -> None:
        found = self.parts.current
        if found is None or found.part is None:
            self.fields.show_both(None, None, open_depth=1)
            return
        new = found.new.fields if found.new is not None else None
        old = found.old.fields if found.old is not None else None
        if found.change in (Change.SAME, Change.MOVED):
            self.fields.show_both(new, new, open_depth=_ALL_OPEN)
        else:
            self.fields.show_both(old, new, open_depth=1)

    def _fit(self) -> None:
        self.set_class(self.size.width < WIDE, "-narrow")

    def on_resize(self, _: events.Resize) -> None:
        """Side by side where there is room."""
        self._fit()
        self.show_all()

    def on_descendant_focus(self) -> None:
        """The keyboard went elsewhere: other keys work now."""
        self.show_chrome()

    @on(VirtualList.Moved, "PartList")
    def _moved(self) -> None:
        self.show_all()

    @on(VirtualList.Moved, "#fields")
    def _moved_in_fields(self) -> None:
        self.show_chrome()

    @on(JsonPane.WholeWanted)
    def _see_whole(self, event: JsonPane.WholeWanted) -> None:
        self.studio_app.show_text(f"Value of {event.pointer}", event.text)

    @on(VirtualList.Activated, "PartList")
    def _activated(self) -> None:
        self._open()

    # --- actions ------------------------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """See StudioScreen."""
        return {
            "version.open": self._open,
            "version.compare": self._toggle_comparing,
            "version.older": lambda: self._go(-1),
            "version.newer": lambda: self._go(1),
            "version.pin": self._pin,
            "version.next_change": lambda: self._to_change(1),
            "version.previous_change": lambda: self._to_change(-1),
            **self.finding_handlers(),
            "version.pane": self._other_half,
            "version.copy": self._copy,
            "version.copy_all": self._copy_all,
        }

    def back(self) -> None:
        """esc: search, fields, screen."""
        if self.has_class("-finding"):
            self.end_find()
        elif self.finder.wanted:
            self.end_search()
        elif self.fields.has_focus or self.has_class("-fields"):
            self._to_parts()
        else:
            self.dismiss()
        self.show_chrome()

    def _open(self) -> None:
        if not self.fields.has_focus:
            self.add_class("-fields")
            self.fields.focus()

    def _to_parts(self) -> None:
        self.remove_class("-fields")
        self.parts.focus()

    def _other_half(self) -> None:
        if self.fields.has_focus:
            self._to_parts()
        else:
            self._open()

    def _go(self, by: int) -> None:
        number = self.versions.neighbour(by)
        if number is None:
            self.say("there is no older version" if by < 0 else "there is no newer version", Weight.WARNING)
            return
        self.versions.number = number
        self._look()

    def _toggle_comparing(self) -> None:
        self.versions.comparing = not self.versions.comparing
        if self.versions.comparing and self.versions.base == self.versions.number:
            self.versions.comparing = False
            pinned = self.versions.pinned is not None
            self.say(
                "this one is pinned: [ and ] go to others" if pinned else "there is no older version", Weight.WARNING
            )
            return
        self._to_first_change = self.versions.comparing
        self._look()

    def _pin(self) -> None:
        if self.versions.pinned == self.versions.number:
            self.versions.pinned = None
            self.say("let go: each version is compared with the one before it")
        else:
            self.versions.pinned = self.versions.number
            self.versions.comparing = True
            self.say(f"v{self.versions.number} is pinned: [ and ] show what is different from it")
        self._look()

    def _to_change(self, by: int) -> None:
        moved = self.fields.to_change(by) if self.fields.has_focus else self.parts.to_change(by)
        if not moved:
            self.say("nothing differs there", Weight.WARNING)
        self.show_chrome()

    def _copy(self) -> None:
        part = self.parts.current.part if self.parts.current is not None else None
        if self.fields.has_focus:
            self.studio_app.copy(self.fields.current_text, "what is under the cursor")
        elif part is not None:
            self.studio_app.copy(part.step_id or part.path, "step id")

    def _copy_all(self) -> None:
        self.studio_app.copy(self.fields.all_text, "all fields")
