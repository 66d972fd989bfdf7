"""What the benchmark leaves behind: the table in docs/, between its two markers, and the charts."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.chart import Chart, Line, sheet
from tests.bench.cost import Cost

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PICTURE = Path(__file__).with_name("scale.png")
BEGIN, END = "<!-- written by make bench-scale -->", "<!-- end of what make bench-scale writes -->"

_COLUMNS: tuple[tuple[str, Callable[[Cost], str]], ...] = (
    ("guests", lambda cost: f"{cost.guests}"),
    ("", lambda cost: cost.name),
    ("scrape, median", lambda cost: f"{cost.median * 1e3:.0f} ms"),
    ("p99", lambda cost: f"{cost.p99 * 1e3:.0f} ms"),
    ("samples", lambda cost: f"{cost.samples:,}"),
    ("page", lambda cost: f"{cost.page_bytes / 1e6:.2f} MB"),
    ("exporter CPU", lambda cost: f"{cost.exporter_cpu * 1e3:.0f} ms"),
    ("libvirtd CPU", lambda cost: f"{cost.libvirtd_cpu * 1e3:.0f} ms"),
    ("QEMUs CPU", lambda cost: f"{cost.guests_cpu * 1e3:.0f} ms"),
    ("CPU per sample", lambda cost: f"{cost.cpu_per_sample * 1e6:.0f} µs"),
    ("peak memory", lambda cost: f"{cost.peak_memory / 2**20:.0f} MiB"),
)


def table(costs: Sequence[Cost]) -> str:
    """Return the figures as a Markdown table, CPU per scrape."""
    rows = [[title for title, _ in _COLUMNS], ["---"] * len(_COLUMNS)]
    rows += [[write(cost) for _, write in _COLUMNS] for cost in sorted(costs, key=lambda cost: cost.guests)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write(costs: Sequence[Cost], notes: Sequence[str], page: Path = PAGE, picture: Path = PICTURE) -> None:
    """Put table and notes between the page's markers, and draw the charts."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    body = "\n\n".join((table(costs), *notes))
    page.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}")
    picture.write_bytes(sheet(_charts(costs)))


def _charts(costs: Sequence[Cost]) -> list[Chart]:
    def lines(value: Callable[[Cost], float]) -> dict[str, Line]:
        found: dict[str, list[tuple[float, float]]] = {}
        for cost in sorted(costs, key=lambda cost: cost.guests):
            found.setdefault(cost.name, []).append((cost.guests, value(cost)))
        return dict(found)

    return [
        Chart("scrape time, median (ms)", lines(lambda cost: cost.median * 1e3)),
        Chart("scrape time, p99 (ms)", lines(lambda cost: cost.p99 * 1e3)),
        Chart("exporter CPU per scrape (ms)", lines(lambda cost: cost.exporter_cpu * 1e3)),
        Chart("libvirtd CPU per scrape (ms)", lines(lambda cost: cost.libvirtd_cpu * 1e3)),
        Chart("QEMUS CPU per scrape (ms)", lines(lambda cost: cost.guests_cpu * 1e3)),
        Chart("peak memory (MiB)", lines(lambda cost: cost.peak_memory / 2**20)),
        Chart("page (MB)", lines(lambda cost: cost.page_bytes / 1e6)),
        Chart("samples", lines(lambda cost: cost.samples)),
    ]
