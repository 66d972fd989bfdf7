"""Figures against the number of guests, as a sheet of small charts with one line for each thing measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.bench.raster import GREY, Colour, Raster, text_width

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 40
LEGEND_HEIGHT = 40
COLUMNS = 2
COLOURS: tuple[Colour, ...] = ((200, 40, 40), (30, 90, 200), (40, 140, 60), (150, 80, 180), (220, 140, 20))

Line = Sequence[tuple[float, float]]
"""Points: number of guests, value."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: lines by the name of what was measured."""

    title: str
    lines: Mapping[str, Line]


def sheet(charts: Sequence[Chart]) -> bytes:
    """Return all charts on one PNG; a name has the same colour everywhere."""
    names = list(dict.fromkeys(name for chart in charts for name in chart.lines))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    rows = -(-len(charts) // COLUMNS)
    raster = Raster(WIDTH * COLUMNS, LEGEND_HEIGHT + HEIGHT * rows)
    x = LEFT
    for name, colour in colours.items():
        raster.text(x, LEGEND_HEIGHT // 2, name, colour)
        x += text_width(name) + 24
    for place, chart in enumerate(charts):
        across, down = place % COLUMNS, place // COLUMNS
        _draw(raster, WIDTH * across, LEGEND_HEIGHT + HEIGHT * down, chart, colours)
    return raster.png()


def _draw(raster: Raster, x: int, y: int, chart: Chart, colours: Mapping[str, Colour]) -> None:
    points = [point for line in chart.lines.values() for point in line]
    most_guests, most = _round_up(max(point[0] for point in points)), _round_up(max(p[1] for p in points))
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(point: tuple[float, float]) -> tuple[int, int]:
        return (
            x + LEFT + round(across * point[0] / most_guests),
            y + TOP + up - round(up * point[1] / most),
        )

    raster.text(x + LEFT, y + 14, chart.title, scale=2)
    for quarter in range(5):
        value, guests = most * quarter / 4, most_guests * quarter / 4
        left, bottom = place((0, value)), place((guests, 0))
        raster.line(left, (x + LEFT + across, left[1]), GREY)
        raster.text(left[0] - 8 - text_width(f"{value:g}"), left[1] - 5, f"{value:g}")
        raster.text(bottom[0] - text_width(f"{guests:g}") // 2, bottom[1] + 8, f"{guests:g}")
    for name, line in chart.lines.items():
        colour = colours[name]
        for start, end in pairwise(line):
            raster.line(place(start), place(end), colour, 2)
        for point in line:
            raster.dot(place(point)[0] - 2, place(point)[1] - 2, colour, 5)


def _round_up(value: float) -> float:
    """Return the next number that divides well into quarters."""
    unit = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return next(unit * step for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if unit * step >= value)
