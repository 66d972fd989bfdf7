"""The golden pages: what each simulated host's page contains, kept in ``tests/fixtures/pages``.

``python -m tests.simulated.golden`` (``make golden``) writes them anew; a change of a page is then part of
the change that is reviewed. Values that differ from run to run are written as ``*``: times, ages, durations
and the build. The help texts are left out, since METRICS.md has them.
"""

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hostcollector.base.model import Snapshot
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from tests.places import FIXTURES
from tests.simulated.gpu_host import gpu_host
from tests.simulated.gpus import work
from tests.simulated.network_host import network_host

PAGES = FIXTURES / "pages"

_VARYING = re.compile(r"^hostcollector_\w+(_age|_duration|_timestamp)_seconds\b")
_VALUE = re.compile(r" \S+$")


def gpu_page() -> str:
    """Return the second page of the host with eight GPUs, after some work."""
    with (
        tempfile.TemporaryDirectory(prefix="hostcollector-gpus-") as directory,
        gpu_host(Path(directory)) as host,
    ):
        host.settled()
        work(host)
        host.heard()
        return masked(host.snapshot())


def network_page() -> str:
    """Return the second page of the host whose network is hardware, after some work."""
    with (
        tempfile.TemporaryDirectory(prefix="hostcollector-network-") as directory,
        network_host(Path(directory)) as host,
    ):
        host.settle()
        host.snapshot()
        host.work()
        return masked(host.snapshot())


HOSTS: Mapping[str, Callable[[], str]] = {"gpu": gpu_page, "network": network_page}
"""The file's name, without its ending, to what makes the page."""


def path(name: str) -> Path:
    """Return where a host's golden page is."""
    return PAGES / f"{name}.prom"


def masked(snapshot: Snapshot) -> str:
    """Return a page without help texts, with ``*`` for each value that differs from run to run.

    The series of a metric are sorted: their order on a page has no meaning.
    """
    families: list[list[str]] = []
    for line in Encoder().encode(snapshot, Format.TEXT).decode().splitlines():
        if line.startswith("# TYPE"):
            families.append([line])
        elif not line.startswith("#"):
            families[-1].append(_VALUE.sub(" *", line) if _VARYING.match(line) else line)
    return "".join(f"{line}\n" for head, *series in families for line in (head, *sorted(series)))


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for name, page in HOSTS.items():
        path(name).write_text(page())
