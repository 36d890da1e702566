"""Small SVG plots: a panel a measure, a column an arm; dots are seeds, the bar their mean, the line its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .intervals import Interval

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 330, 210, 44, 34, 34
_INK, _PALE, _DOT, _BAR = "#24292f", "#d0d7de", "#0969da", "#cf222e"
_TICKS = 4


@dataclass(frozen=True)
class Column:
    """One arm of a panel."""

    name: str
    values: tuple[float, ...]
    mean: Interval


@dataclass(frozen=True)
class Panel:
    """One measure."""

    title: str
    columns: tuple[Column, ...]
    is_share: bool

    @property
    def top(self) -> float:
        """Of its axis, which begins at 0."""
        if self.is_share:
            return 1.0
        ends = [value for one in self.columns for value in (*one.values, one.mean.high) if math.isfinite(value)]
        return max(0.05, *ends) * 1.05


def svg(panels: Sequence[Panel]) -> str:
    """The plot, two panels in a row; readable on light and dark pages since it brings its own paper."""
    rows = -(-len(panels) // 2)
    width, height = _WIDTH * min(2, len(panels)), _HEIGHT * rows
    inside = "\n".join(
        f'<g transform="translate({place % 2 * _WIDTH} {place // 2 * _HEIGHT})">\n{_panel(panel)}\n</g>'
        for place, panel in enumerate(panels)
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    style = f'font-family="sans-serif" font-size="11" fill="{_INK}"'
    return f'{head} {style}>\n<rect width="{width}" height="{height}" fill="#ffffff"/>\n{inside}\n</svg>\n'


def _panel(panel: Panel) -> str:
    parts = [f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(panel.title)}</text>']
    for tick in range(_TICKS + 1):
        value = panel.top * tick / _TICKS
        y = _y(value, panel)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y}" y2="{y}" stroke="{_PALE}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{value:.2f}</text>')
    step = (_WIDTH - _LEFT - 8) / max(1, len(panel.columns))
    for place, column in enumerate(panel.columns):
        # Long names of close neighbours stand on two lines.
        lower = 11 * (place % 2) if len(panel.columns) > 4 else 0
        parts.append(
            f'<text x="{_LEFT + step * (place + 0.5):.1f}" y="{_HEIGHT - 18 + lower}" text-anchor="middle">'
            f"{escape(column.name)}</text>"
        )
        parts += _column(column, _LEFT + step * (place + 0.5), panel)
    return "\n".join(parts)


def _column(column: Column, x: float, panel: Panel) -> list[str]:
    low, middle, high = (_y(value, panel) for value in (column.mean.low, column.mean.middle, column.mean.high))
    parts: list[str] = []
    if math.isfinite(column.mean.low):
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low}" y2="{high}" stroke="{_BAR}" stroke-width="1.5"/>')
    parts.append(
        f'<line x1="{x - 12:.1f}" x2="{x + 12:.1f}" y1="{middle}" y2="{middle}" stroke="{_BAR}" stroke-width="2.5"/>'
    )
    # Seeds beside each other, so that equal ones are all seen.
    for place, value in enumerate(column.values):
        beside = (place - (len(column.values) - 1) / 2) * 7
        parts.append(f'<circle cx="{x + beside:.1f}" cy="{_y(value, panel)}" r="3" fill="{_DOT}" fill-opacity="0.75"/>')
    return parts


def _y(value: float, panel: Panel) -> float:
    """Where a value stands; beyond the axis, at its end."""
    share = min(max(value / panel.top, 0.0), 1.0)
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP), 1)
