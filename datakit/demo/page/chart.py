"""A loss curve as inline SVG. Its box is stretched to the page; labels lie over it as text, so they keep their size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from datakit.demo.page.markup import Html, el, join
from datakit.demo.page.words import figure

Curve = Sequence[tuple[int, float]]
WIDTH: Final = 1000
HEIGHT: Final = 300
MOST_POINTS: Final = 400
_TICKS: Final = 4
_WINDOW_SHARE: Final = 1 / 15
_OUTLIERS: Final = 0.03
"""Of either end: single steps that may leave the picture."""
_LABELS: Final = {"trained": "validation, pictures that were trained", "held_out": "validation, pictures held out"}
_STEPS: Final = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Frame:
    """Which values the picture's edges stand for."""

    last: int
    """The step at the right edge; 0 is at the left one."""
    low: float
    high: float

    def x(self, step: float) -> float:
        """From the left, 0 to `WIDTH`."""
        return step / self.last * WIDTH

    def y(self, value: float) -> float:
        """From the top, 0 to `HEIGHT`."""
        return (self.high - value) / (self.high - self.low) * HEIGHT


def loss_chart(losses: Curve, validation: Mapping[str, Curve]) -> Html | None:
    """Each step's loss faint, their running mean bold, validation dotted; None where there is nothing to draw."""
    window = max(1, round(len(losses) * _WINDOW_SHARE))
    mean = smooth(losses, window)
    curves = {name: curve for name, curve in validation.items() if curve and name in _LABELS}
    if not losses and not curves:
        return None
    frame = _frame(losses, mean, curves)
    raw = el("path", d=_path(frame, thin(losses)), class_="raw") if window > 1 else None
    drawn = [el("path", d=_path(frame, thin(mean)), class_="mean") if mean else None]
    drawn += [_validation(frame, name, curve) for name, curve in curves.items()]
    ticks = _ticks(frame.low, frame.high)
    lines = [el("path", d=f"M0 {frame.y(tick):.1f}H{WIDTH}", class_="rule") for tick in ticks]
    picture = el(
        "svg",
        el("title", "Loss by step"),
        lines,
        raw,
        drawn,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
    )
    return el("div", _legend(bool(mean), window, curves), el("div", picture, _labels(frame, ticks), class_="plot"))


def smooth(curve: Curve, window: int) -> list[tuple[int, float]]:
    """The mean of `window` neighbours; near the ends of as many as there are."""
    half = window // 2
    found = []
    for at, (step, _) in enumerate(curve):
        near = [value for _, value in curve[max(0, at - half) : at + half + 1]]
        found.append((step, sum(near) / len(near)))
    return found


def thin(curve: Curve) -> Curve:
    """At most `MOST_POINTS` of the points, evenly taken, the last among them."""
    every = math.ceil(len(curve) / MOST_POINTS)
    return curve if every <= 1 else [*curve[:-1:every], curve[-1]]


def _frame(losses: Curve, mean: Curve, curves: Mapping[str, Curve]) -> Frame:
    kept = sorted(value for _, value in losses)
    cut = int(len(kept) * _OUTLIERS)
    values = [*kept[cut : len(kept) - cut], *(value for _, value in mean)]
    values += [value for curve in curves.values() for _, value in curve]
    steps = [step for curve in (losses, *curves.values()) for step, _ in curve]
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return Frame(last=max(1, *steps), low=low - room, high=high + room)


def _path(frame: Frame, curve: Curve) -> str:
    return "M" + "L".join(f"{frame.x(step):.1f} {frame.y(value):.1f}" for step, value in curve)


def _validation(frame: Frame, name: str, curve: Curve) -> Html:
    """A line, and round points that stay round: strokes are not stretched."""
    points = "".join(f"M{frame.x(step):.1f} {frame.y(value):.1f}h0" for step, value in curve)
    line = el("path", d=_path(frame, thin(curve)), class_=f"line {name}") if len(curve) > 1 else None
    return join(line, el("path", d=points, class_=f"points {name}"))


def _ticks(low: float, high: float) -> list[float]:
    """Round values between, about four of them."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in _STEPS if power * factor >= rough)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def _labels(frame: Frame, ticks: Sequence[float]) -> Html:
    left = [el("span", figure(tick), class_="tick", style=f"top:{frame.y(tick) / HEIGHT * 100:.1f}%") for tick in ticks]
    steps = [round(frame.last * share) for share in (0, 0.25, 0.5, 0.75)]
    below = [el("span", f"{step:,}", style=f"left:{frame.x(step) / WIDTH * 100:.1f}%") for step in dict.fromkeys(steps)]
    last = el("span", f"step {frame.last:,}", class_="last")
    return join(left, el("div", below, last, class_="steps"))


def _legend(has_losses: bool, window: int, curves: Mapping[str, Curve]) -> Html:
    rows = []
    if has_losses:
        told = f"training, mean of {window} steps" if window > 1 else "training"
        rows.append(el("li", el("i", class_="mean"), told))
    rows += [el("li", el("i", class_=name), _LABELS[name]) for name in curves]
    return el("ul", rows, class_="legend")
