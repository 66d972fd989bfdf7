"""A small drawing surface that can be written as PNG: lines, and text in letters of three by five dots."""

import struct
import zlib
from dataclasses import dataclass, field

Colour = tuple[int, int, int]
WHITE, BLACK, GREY = (255, 255, 255), (40, 40, 40), (205, 205, 205)

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.,-%():_ "
# Of each letter five rows of three dots, as octal digits.
_ROWS = (
    "75557262277174771717557117471774757711227575775717"  # digits
    "25755656563444365556746477464434553557557222711152556554444757755"  # A to M
    "655552555265644255636565534216722225555755552557755525555222"  # N to Y
    "71247000020002400700512451222142224020200000700000"  # Z and the signs
)
_GLYPHS = {letter: _ROWS[5 * place : 5 * place + 5] for place, letter in enumerate(_LETTERS)}


@dataclass(slots=True)
class Raster:
    """Dots in rows, three bytes each; the origin is the upper left corner. What lies outside is not drawn."""

    width: int
    height: int
    _dots: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self._dots = bytearray(WHITE * (self.width * self.height))

    def dot(self, x: int, y: int, colour: Colour, size: int = 1) -> None:
        """Draw a square of `size` dots."""
        for row in range(max(0, y), min(self.height, y + size)):
            left, right = max(0, x), min(self.width, x + size)
            if left < right:
                start = 3 * (row * self.width + left)
                self._dots[start : start + 3 * (right - left)] = bytes(colour * (right - left))

    def line(self, start: tuple[int, int], end: tuple[int, int], colour: Colour, size: int = 1) -> None:
        """Draw a straight line."""
        steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        for step in range(steps + 1):
            x = start[0] + (end[0] - start[0]) * step // steps
            y = start[1] + (end[1] - start[1]) * step // steps
            self.dot(x, y, colour, size)

    def text(self, x: int, y: int, text: str, colour: Colour = BLACK, scale: int = 2) -> None:
        """Write a line of text; small letters are written as capitals, unknown ones as blanks."""
        for place, letter in enumerate(text.upper()):
            for row, bits in enumerate(_GLYPHS.get(letter, "00000")):
                for column in range(3):
                    if int(bits) & 4 >> column:
                        self.dot(x + (4 * place + column) * scale, y + row * scale, colour, scale)

    def png(self) -> bytes:
        """Return the picture as PNG (W3C PNG specification: eight bits, RGB, no filter)."""
        stride = 3 * self.width
        rows = (self._dots[start : start + stride] for start in range(0, len(self._dots), stride))
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
        parts = (_chunk(b"IHDR", header), _chunk(b"IDAT", data), _chunk(b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def text_width(text: str, scale: int = 2) -> int:
    """Return how many dots wide a line of text is."""
    return 4 * len(text) * scale


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
