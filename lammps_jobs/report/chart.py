"""Line charts as SVG, drawn for a page: colours come from its style sheet, to fit its theme; marks have titles.

By hand, as a page of twenty charts is made in a tenth of a second so, and needs no plotting library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean

WIDTH, HEIGHT = 380, 190
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 8, 30
MOST_POINTS = 400
"""Points of a line that are drawn; of more, the extremes of each piece are."""
SMOOTHED = 120
"""Points from which on a running mean is drawn over the values."""
SPIKE = 4.0
"""How many times the range of the middle nine tenths a value must lie away to be left out of the axis."""


@dataclass(frozen=True)
class Line:
    """A curve: `x` and `y` are equally long; what is not finite is a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


def chart(lines: Sequence[Line], x_label: str, y_label: str, marks: Sequence[tuple[float, str]] = ()) -> str:
    """The SVG of some lines over common axes. `marks`: vertical lines at x, with their titles. Empty without points."""
    xs = [value for line in lines for value in line.x if math.isfinite(value)]
    ys = [value for line in lines for value in line.y if math.isfinite(value)]
    if not xs or not ys:
        return ""
    across, up = _Axis.over(xs, LEFT, WIDTH - RIGHT), _Axis.over(_without_spikes(ys), HEIGHT - BOTTOM, TOP)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y_label)} over {escape(x_label)}">']
    parts += [_grid(across, up, x_label, y_label)]
    for at, title in marks:
        parts.append(f'<line class="stage" x1="{across.at(at):.1f}" x2="{across.at(at):.1f}" y1="{TOP}" '
                     f'y2="{HEIGHT - BOTTOM}"><title>{escape(title)}</title></line>')  # fmt: skip
    for number, line in enumerate(lines, start=1):
        points = list(zip(line.x, line.y, strict=True))
        is_long = len(points) >= SMOOTHED
        parts.append(_path(_thinned(points), across, up, f"c{number}{' raw' if is_long else ''}", line.name))
        if is_long:
            parts.append(_path(_thinned(_running_mean(points)), across, up, f"c{number}", f"{line.name}, running mean"))
    clipped = sum(not up.low <= value <= up.high for value in ys)
    if clipped:
        parts.append(f'<text class="small" x="{WIDTH - RIGHT}" y="{TOP + 9}" text-anchor="end">'
                     f"{clipped} value{'s' * (clipped > 1)} beyond</text>")  # fmt: skip
    return "".join([*parts, "</svg>"])


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    begin: float
    end: float
    ticks: tuple[float, ...]

    @classmethod
    def over(cls, values: Sequence[float], begin: float, end: float) -> _Axis:
        low, high = min(values), max(values)
        if low == high:
            low, high = low - (abs(low) or 1.0) * 0.05, high + (abs(high) or 1.0) * 0.05
        step = _nice((high - low) / 4)
        first = math.ceil(low / step - 1e-9)
        ticks = tuple(step * (first + at) for at in range(int((high - low) / step + 1e-9) + 1))
        margin = 0.04 * (high - low)
        vertical = begin > end
        return cls(low - margin * vertical, high + margin * vertical, begin, end, tuple(t for t in ticks if t <= high))

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.begin + min(1.02, max(-0.02, share)) * (self.end - self.begin)


def _nice(step: float) -> float:
    """The next larger of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def number_text(value: float) -> str:
    """A number as people read it: 10,000; 0.25; 1e-7."""
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    return f"{value:,.6g}".replace("e+06", "e6") if abs(value) < 1e4 else f"{value:,.0f}"


def _grid(across: _Axis, up: _Axis, x_label: str, y_label: str) -> str:
    foot = HEIGHT - BOTTOM
    parts = []
    for tick in up.ticks:
        y = up.at(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                     f'<text x="{LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end">'
                     f"{number_text(tick)}</text>")  # fmt: skip
    for tick in across.ticks:
        x = across.at(tick)
        parts.append(f'<text x="{x:.1f}" y="{foot + 12}" text-anchor="middle">{number_text(tick)}</text>')
    middle = (TOP + foot) / 2
    return "".join([
        *parts,
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{foot}" y2="{foot}"/>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 4}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text transform="translate(10 {middle}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>',
    ])  # fmt: skip


def _path(points: Sequence[tuple[float, float]], across: _Axis, up: _Axis, kind: str, title: str) -> str:
    words, pen_down = [], False
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen_down = False
            continue
        words.append(f"{'L' if pen_down else 'M'}{across.at(x):.1f} {up.at(y):.1f}")
        pen_down = True
    return f'<path class="{kind}" d="{"".join(words)}"><title>{escape(title)}</title></path>'


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most some MOST_POINTS points: of each piece of neighbours the lowest and the highest."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = math.ceil(2 * len(points) / MOST_POINTS)
    kept: list[tuple[float, float]] = []
    for at in range(0, len(points), size):
        piece = [point for point in points[at : at + size] if math.isfinite(point[1])] or points[at : at + 1]
        kept += sorted({min(piece, key=lambda p: p[1]), max(piece, key=lambda p: p[1])})
    return kept


def _running_mean(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means over a twentieth of the points around each, of those that are there."""
    half = max(1, len(points) // 40)
    finite = [point for point in points if math.isfinite(point[1])]
    every = max(1, len(finite) // MOST_POINTS)
    return [
        (finite[at][0], fmean(y for _, y in finite[max(0, at - half) : at + half + 1]))
        for at in range(0, len(finite), every)
    ]


def _without_spikes(values: Sequence[float]) -> list[float]:
    """The values but a few that lie so far away that nothing would be seen of the others."""
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 20], ordered[-1 - len(ordered) // 20]
    reach = SPIKE * (high - low)
    kept = [value for value in values if low - reach <= value <= high + reach]
    return kept if reach and len(kept) < len(values) else list(values)
