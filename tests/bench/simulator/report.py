"""Where the tables go: printed, and between the markers of a page of docs/."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.places import REPOSITORY

SUMMARY = REPOSITORY / "docs" / "benchmarks.md"
QUERIES = REPOSITORY / "docs" / "boards-cost.md"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(page: Path, part: str, *paragraphs: str) -> None:
    """Print the paragraphs, and put them between the page's markers for this part."""
    begin, end = f"<!-- written by make bench-fleet: {part} -->", f"<!-- end of {part} -->"
    body = "\n\n".join(paragraphs)
    before, found, rest = page.read_text().partition(begin)
    if not found:
        raise ValueError(f"{page} has no line {begin!r}")
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{body}\n{end}{after}")
    print(body, flush=True)
