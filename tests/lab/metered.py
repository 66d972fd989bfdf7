"""A collector that records usage, and what its records say."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from hostcollector.catalogue.usage import HourClosed, UsageRecord, parse_line
from hostcollector.outputs.usage import PATH
from tests.lab.process import until
from tests.lab.served import Served, serving


@dataclass(frozen=True, slots=True)
class Metered:
    """A collector on a ledger."""

    served: Served

    def lines(self) -> list[UsageRecord | HourClosed]:
        """Return all lines, as the gateway reads them: in pieces, by a cursor."""
        found: list[UsageRecord | HourClosed] = []
        while True:
            after = found[-1].sequence if found else 0
            url = f"{self.served.url}{PATH}?after={after}&limit=7"
            with urllib.request.urlopen(url, timeout=20) as answer:
                piece = [parse_line(line) for line in answer.read().splitlines()]
            if not piece:
                return found
            found += piece

    def records(self, vm: str) -> list[UsageRecord]:
        """Return a VM's records."""
        return [line for line in self.lines() if isinstance(line, UsageRecord) and line.vm == vm]

    def scrape(self) -> None:
        """Let the collector collect."""
        self.served.page(30)

    def ended(self, vm: str) -> list[UsageRecord]:
        """Return a VM's records when its last life has ended."""
        until(lambda: self._has_ended(vm), 60, f"the end of {vm} in the ledger")
        return self.records(vm)

    def _has_ended(self, vm: str) -> bool:
        self.scrape()
        records = self.records(vm)
        return bool(records) and records[-1].ended not in ("", "reboot", "tenant_changed", "clock_step")


def total(records: Sequence[UsageRecord], meter: str) -> int:
    """Return the sum of a meter."""
    return sum(record.meters.get(meter, 0) for record in records)


@contextmanager
def metering(
    uri: str, directory: Path, within: tuple[str, ...] = (), **settings: object
) -> Iterator[Metered]:
    """Run a collector that records usage in `directory`, where one before it may have left its ledger."""
    directory.mkdir(exist_ok=True)
    file = directory / "hostcollector.yml"
    paths = {"state_directory": str(directory / "state"), "runtime_directory": ""}
    file.write_text(yaml.safe_dump({"usage": {"records": True}, "paths": paths, **settings}))
    with serving(uri, directory, f"--config.file={file}", within=within) as served:
        yield Metered(served)


def show(records: Sequence[UsageRecord]) -> None:
    """Print records, for a person who looks why a test failed."""
    for record in records:
        document = json.loads(record.line())
        print({key: document[key] for key in ("life", "hour", "running", "unseen_seconds", "gaps", "ended")})
        print(f"   {document['tenant']} {document['meters']}")
