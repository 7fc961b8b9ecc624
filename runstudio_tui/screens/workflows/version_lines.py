"""The two lines above the steps of a version: what it is, and what it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from engine.records import Issue, Version
from runstudio_tui.domain.definition_diff import ComparedPart, counted, hidden_values
from runstudio_tui.domain.present import full_moment
from runstudio_tui.store.versions import Laid, Versions
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.line import Line, Span, cut_line, line


def header_lines(
    versions: Versions, laid: Laid | None, warnings: Sequence[Issue], zone: tzinfo, cells: int
) -> list[Line]:
    """Both lines. ``warnings``: of the step under the cursor."""
    return [
        cut_line(line(" ", *_version(versions, versions.current, zone)), cells),
        cut_line(line(" ", *(_warned(warnings) or _compared(versions, laid))), cells),
    ]


def _version(versions: Versions, current: Version | None, zone: tzinfo) -> Line:
    name = Span(f"v{versions.number}", "strong")
    if current is None:
        return line(name)
    newest = versions.known[0].version == current.version
    at = full_moment(current.published_at, zone).partition(".")[0]
    when = f"published {at}" if current.published_at is not None else "published before the cutover"
    by = f" by {safe(current.published_by)}" if current.published_by else ""
    digest = f" · {short_id(current.definition_hash)}" if current.definition_hash else ""
    number = len(current.warnings)
    return line(
        name,
        Span("  in force" if newest else "  older", "ok" if newest else "dim"),
        f"  {when}{by}",
        Span(digest, "dim"),
        Span(f" · {number} warning{'' if number == 1 else 's'}" if number else "", "attention"),
    )


def _warned(warnings: Sequence[Issue]) -> Line:
    if not warnings:
        return ()
    first = warnings[0]
    more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
    return line(Span(f"▲ {safe(first.code)}: {safe(first.message)}{more}", "attention"))


def _compared(versions: Versions, laid: Laid | None) -> Line:
    if laid is None or not laid.comparing:
        if not versions.comparing:
            other = "the version before" if versions.pinned is None else f"the pinned v{versions.pinned}"
            return line(Span(f"d shows what is different from {other}", "dim"))
        why = "it is pinned: [ and ] go to others" if versions.pinned == versions.number else "there is none before it"
        return line(Span(f"nothing to compare it with: {why}" if versions.known else "", "dim"))
    lines: Sequence[ComparedPart] = laid.lines
    hidden = hidden_values(lines)
    aside = f"; {hidden} hidden value{' is' if hidden == 1 else 's are'} not compared" if hidden else ""
    what = "the pinned " if versions.pinned == laid.base else ""
    return line(
        f"compared with {what}v{laid.base}: ",
        Span(counted(lines) or "nothing differs", "strong"),
        Span(aside, "dim"),
    )
