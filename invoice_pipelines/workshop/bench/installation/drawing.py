"""Draws what the benchmark `scale` found as SVG: the day, and how long documents and organizations waited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from typing import Any

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 640, 170, 70, 40, 70
_COLOURS = ("#1f4e79", "#c58b2b", "#5b7f3a")
_STYLE = "text{font:12px sans-serif;fill:#333}.a{stroke:#999;fill:none}.g{stroke:#ddd}.l{fill:none;stroke-width:1.5}"

Line = Sequence[tuple[float, float]]


def drawing(found: Mapping[str, Any]) -> str:
    """What `bench scale --json` printed, as a picture: documents that wait over the day; memory and sessions; seconds
    until VALIDATED by lane, and those of the slowest document of each organization.
    """
    details = found["details"]
    samples, day = details["samples"], float(details["size"]["seconds"])
    charts = [
        _chart(
            "Documents that wait, over the day and until none is left",
            {"documents": [(each["at"], each["waiting"]) for each in samples]},
            "s",
        ),
        _chart(
            "Memory of all processes, in megabytes, and sessions of PostgreSQL, times ten",
            {
                "megabytes": [(each["at"], each["megabytes"]) for each in samples],
                "sessions × 10": [(each["at"], 10 * each["sessions"]) for each in samples],
            },
            "s",
        ),
        _chart(
            "Seconds from arrival to VALIDATED that so many percent do not exceed, by lane",
            {lane: list(enumerate(values, 1)) for lane, values in details["latency"].items()},
            "%",
            logarithmic=True,
        ),
        _chart(
            "The same of the slowest document of each organization",
            {"organizations": list(enumerate(details["slowest_of_organizations"], 1))},
            "%",
            logarithmic=True,
        ),
    ]
    height = _TOP + len(charts) * (_HEIGHT + _GAP)
    placed = "".join(
        f'<g transform="translate({_LEFT} {_TOP + number * (_HEIGHT + _GAP)})">{chart}</g>\n'
        for number, chart in enumerate(charts)
    )
    title = f"{details['documents']:,} documents in a day of {day:.0f} s"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 20} {height}" role="img">\n'
        f'<title>{title}</title><style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>\n'
        f"{placed}</svg>\n"
    )


def _chart(title: str, lines: Mapping[str, Line], unit: str, *, logarithmic: bool = False) -> str:
    """Lines over one axis from 0 on; upwards from 0 as well, or by powers of ten from a tenth."""
    points = [point for line in lines.values() for point in line]
    right, top = max(x for x, _ in points) or 1, max(max(y for _, y in points), 1.0)
    decades = max(-int(-log10(top) // 1), 1)

    def up(value: float) -> float:
        share = (log10(max(value, 0.1)) + 1) / (decades + 1) if logarithmic else value / top
        return _HEIGHT * (1 - share)

    marks = [10.0**power for power in range(-1, decades + 1)] if logarithmic else [0, top / 2, top]
    parts = [f'<text x="0" y="-12">{escape(title)}</text><rect class="a" width="{_WIDTH}" height="{_HEIGHT}"/>']
    for mark in marks:
        parts.append(f'<line class="g" x1="0" x2="{_WIDTH}" y1="{up(mark):.1f}" y2="{up(mark):.1f}"/>')
        parts.append(f'<text x="-8" y="{up(mark) + 4:.1f}" text-anchor="end">{mark:,.4g}</text>')
    for share in (0, 0.25, 0.5, 0.75, 1):
        place = share * _WIDTH
        parts.append(f'<text x="{place:.0f}" y="{_HEIGHT + 16}" text-anchor="middle">{share * right:.0f} {unit}</text>')
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x / right * _WIDTH:.1f},{up(y):.1f}" for x, y in line)
        parts.append(f'<polyline class="l" stroke="{colour}" points="{path}"/>')
        x = 8 + 130 * number
        parts.append(f'<rect x="{x}" y="{_HEIGHT + 26}" width="14" height="3" fill="{colour}"/>')
        parts.append(f'<text x="{x + 20}" y="{_HEIGHT + 32}">{escape(name)}</text>')
    return "".join(parts)
