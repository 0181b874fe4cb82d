"""Draws a reliability diagram as SVG: how many of the values with a confidence are right, by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from invoice_pipelines.workshop.bench.reading.measures import Sureness, binned, calibration_error

_SIDE, _GAP, _COLUMNS = 180, 44, 5
_STYLE = (
    "text{font:12px sans-serif;fill:#333}.a{stroke:#999;fill:none}.d{stroke:#bbb;stroke-dasharray:4 3}"
    ".before{fill:#c58b2b}.after{fill:#1f4e79}"
)


def reliability_diagram(before: Mapping[str, Sequence[Sureness]], after: Mapping[str, Sequence[Sureness]]) -> str:
    """One square for each field that has values: confidence to the right, share of right values upwards, a circle for
    each of ten bins, the larger the more values. What lies on the diagonal says what it means."""
    fields = [field for field in after if after[field]]
    rows = -(-len(fields) // _COLUMNS)
    width, height = _COLUMNS * (_SIDE + _GAP) + _GAP, rows * (_SIDE + 2 * _GAP) + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        "<title>Confidence and share of right values, before and after calibration</title>",
        f'<style>{_STYLE}</style><rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, field in enumerate(fields):
        x, y = _GAP + number % _COLUMNS * (_SIDE + _GAP), _GAP + number // _COLUMNS * (_SIDE + 2 * _GAP)
        error = f"error {calibration_error(before[field]):.2f} → {calibration_error(after[field]):.2f}"
        parts += [
            f'<g transform="translate({x} {y})"><text x="0" y="-8">{field} ({len(after[field])})</text>',
            f'<rect class="a" width="{_SIDE}" height="{_SIDE}"/>',
            f'<line class="d" x1="0" y1="{_SIDE}" x2="{_SIDE}" y2="0"/>',
            *_circles("before", before[field]),
            *_circles("after", after[field]),
            f'<text x="0" y="{_SIDE + 16}">0</text><text x="{_SIDE - 8}" y="{_SIDE + 16}">1</text>',
            f'<text x="{_SIDE / 2 - 50}" y="{_SIDE + 16}">{error}</text></g>',
        ]
    parts.append(
        f'<g transform="translate({_GAP} {height - 14})"><circle class="before" r="5" cy="-4" opacity=".6"/>'
        '<text x="12">the reader\'s score</text><circle class="after" r="5" cx="150" cy="-4" opacity=".6"/>'
        '<text x="162">calibrated, cross-validated by seller; to the right: confidence, upwards: share of right values'
        "</text></g></svg>"
    )
    return "\n".join(parts) + "\n"


def _circles(style: str, values: Sequence[Sureness]) -> list[str]:
    circles = []
    for found in binned(values):
        x = sum(value.confidence for value in found) / len(found) * _SIDE
        y = (1 - sum(value.right for value in found) / len(found)) * _SIDE
        radius = 2.5 + 9 * (len(found) / len(values)) ** 0.5
        circles.append(f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" opacity=".6"/>')
    return circles
