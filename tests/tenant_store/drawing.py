"""Charts over one axis of time, as SVG: which host's page carried a VM, and lines with their gaps."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from xml.sax.saxutils import escape

Line = Sequence[tuple[float, float]]

WIDTH, LEFT, RIGHT = 960, 96, 16
TOP, HEIGHT, BETWEEN, ROW = 34, 150, 34, 22
COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df")
TRUE, SHADE, TEXT, GRID = "#8c959f", "#eaeef2", "#1f2328", "#d0d7de"


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took some time; drawn as a shade over all charts, with its name on top."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines by name. A line is broken where two points are more than `gap` seconds apart.

    `behind` is a line for comparison; `dots` are the points themselves.
    """

    title: str
    lines: Mapping[str, Line]
    gap: float
    behind: Line = ()
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """One row for each name, with a mark for each moment; a moment without a word has an empty mark."""

    title: str
    marks: Mapping[str, Sequence[tuple[float, str]]]


@dataclass(slots=True)
class Sheet:
    """Charts one below the other, from `start` to `end`; the axis has seconds since `start`."""

    title: str
    start: float
    end: float
    spans: Sequence[Span]
    words: Sequence[str]
    """Names that have a colour each, in the charts and in the rows."""
    parts: list[str] = field(default_factory=list)
    y: float = TOP

    def rows(self, rows: Rows) -> None:
        """Add rows of marks."""
        self._title(rows.title)
        for name, marks in rows.marks.items():
            middle = self.y + ROW / 2
            self._text(LEFT - 8, middle + 4, name, "end")
            for at, word in marks:
                fill = self._colour(word) if word else "none"
                edge = self._colour(word) if word else TRUE
                self.parts.append(
                    f'<rect x="{self._x(at) - 2.5:.1f}" y="{middle - 6:.1f}" width="5" height="12" '
                    f'fill="{fill}" stroke="{edge}"/>'
                )
            self.y += ROW
        self.y += BETWEEN

    def chart(self, chart: Chart) -> None:
        """Add a chart."""
        self._title(chart.title)
        top, bottom = self.y, self.y + HEIGHT
        values = [value for line in (*chart.lines.values(), chart.behind) for _, value in line]
        most = _rounded(max(values, default=1.0))

        def place(point: tuple[float, float]) -> str:
            return f"{self._x(point[0]):.1f},{bottom - HEIGHT * point[1] / most:.1f}"

        for quarter in range(5):
            y = bottom - HEIGHT * quarter / 4
            self.parts.append(
                f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="{GRID}"/>'
            )
            self._text(LEFT - 8, y + 4, f"{most * quarter / 4:g}", "end")
        for piece in _pieces(chart.behind, chart.gap):
            self._polyline(map(place, piece), TRUE, 'stroke-dasharray="4 3"')
        for name, line in chart.lines.items():
            for piece in _pieces(line, chart.gap):
                self._polyline(map(place, piece), self._colour(name))
            for point in line if chart.dots else ():
                x, y_of = place(point).split(",")
                self.parts.append(f'<circle cx="{x}" cy="{y_of}" r="2.2" fill="{self._colour(name)}"/>')
        self.y = bottom + BETWEEN
        assert top < bottom

    def svg(self) -> str:
        """Return the picture."""
        bottom = self.y - BETWEEN + 4
        shades, names = [], []
        for number, span in enumerate(self.spans):
            left, right = self._x(span.start), max(self._x(span.end), self._x(span.start) + 2)
            shades.append(
                f'<rect x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{bottom - TOP:.1f}" '
                f'fill="{SHADE}"/>'
            )
            names.append(f'<text x="{left:.1f}" y="{12 + 14 * (number % 2)}">{escape(span.name)}</text>')
        axis = []
        for second in range(0, int(self.end - self.start) + 1, 30):
            x = self._x(self.start + second)
            axis.append(f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{second} s</text>')
        x, legend = float(LEFT), []
        for word in self.words:
            box = f'<rect x="{x:.1f}" y="{bottom + 28:.1f}" width="10" height="10"'
            legend.append(
                f'{box} fill="{self._colour(word)}"/>'
                f'<text x="{x + 15:.1f}" y="{bottom + 37:.1f}">{escape(word)}</text>'
            )
            x += 40 + 7 * len(word)
        height = bottom + 48
        size = f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-labelledby="title"'
        font = f'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="{TEXT}"'
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>',
            f'<title id="title">{escape(self.title)}</title>',
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
            *shades,
            *names,
            *self.parts,
            *axis,
            *legend,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"

    def _x(self, at: float) -> float:
        share = (min(max(at, self.start), self.end) - self.start) / (self.end - self.start)
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def _colour(self, word: str) -> str:
        return COLOURS[self.words.index(word) % len(COLOURS)]

    def _title(self, title: str) -> None:
        self._text(LEFT, self.y + 12, title, "start", 'font-weight="bold"')
        self.y += 22

    def _text(self, x: float, y: float, text: str, anchor: str, more: str = "") -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'
        )

    def _polyline(self, points: Iterator[str], colour: str, more: str = "") -> None:
        self.parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.6" {more}/>'
        )


def _pieces(line: Line, gap: float) -> Iterator[Line]:
    """Yield the parts of a line between its gaps."""
    piece = list(line[:1])
    for before, after in pairwise(line):
        if after[0] - before[0] > gap:
            yield piece
            piece = []
        piece.append(after)
    if piece:
        yield piece


def _rounded(value: float) -> float:
    """Return the next number that divides well into quarters."""
    unit = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return next(unit * step for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if unit * step >= value)
