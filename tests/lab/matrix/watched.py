"""A collector that is watched: its process, and what its page shows while nothing is wrong."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.matrix.complete import Complete
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import Page, Served, serving

# Less than by default, so that a row does not take minutes; the clients wait some seconds longer than this.
CONFIGURATION = """collection: {{budget_seconds: 5}}
paths: {{state_directory: {state}, root: {root}}}
"""
HEALTHY_PAGES = 3
# Given by the guest's balloon driver, so there only when the guest has booted.
_LAST_TO_COME = "libvirt_domain_memory_stats_usable_bytes"


@dataclass(frozen=True, slots=True)
class Watched:
    """A running collector and its complete page."""

    served: Served
    complete: Complete


@contextmanager
def watched(
    uri: str,
    directory: Path,
    guests: Sequence[RunningGuest] = (),
    *,
    root: Path = Path("/"),
    within: Sequence[str] = (),
) -> Iterator[Watched]:
    """Run a collector for the block, and learn what its page shows of the guests when all is well.

    `root` is where it believes the host's file systems to be.
    """
    configuration = directory / "hostcollector.yml"
    configuration.write_text(CONFIGURATION.format(state=directory / "state", root=root))
    with serving(uri, directory, f"--config.file={configuration}", within=within) as served:
        yield Watched(served, learn(served, guests))


def learn(served: Served, guests: Sequence[RunningGuest]) -> Complete:
    """Wait until the page shows the guests as they are when they have booted, and return what that is."""
    uuids = {guest.guest.uuid for guest in guests if guest.guest.workload}

    def booted(page: Page) -> bool:
        return uuids <= {dict(labels)["uuid"] for labels in page.all(_LAST_TO_COME)}

    until(lambda: booted(served.page()), 120, "the balloon statistics of all guests")
    pages = []
    for _ in range(HEALTHY_PAGES):
        time.sleep(1.1)  # a finished collection answers further scrapes for a second
        pages.append(served.page())
    return Complete.of(pages)
