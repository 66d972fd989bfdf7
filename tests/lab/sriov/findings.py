"""What the emulated hypervisor reports: as a file, and as frozen values for the tests."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE = "findings.json"
UP = "the host is up"
"""The first line of ours on the serial line: from there on a failure is a finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One look at the host: the collector's page, and what `ip` and sysfs say of the VFs by their number."""

    page: str
    link: Mapping[str, Mapping[str, Any]]
    """The entries of vfinfo_list in `ip -details -json link`."""
    drivers: Mapping[str, str]
    """What each VF is bound to; empty for none."""
    display: Mapping[str, str]
    """What sysfs shows of the display that is used as a GPU; see `display.Display.sysfs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything from one run. VF numbers are text, as in the page's label."""

    pf: str
    pf_address: str
    vfs: Mapping[str, str]
    """PCI addresses by VF number."""
    display: str
    """The PCI address of the display, which the first guest has from "boot" to "end"."""
    guests: Mapping[str, str]
    """UUIDs by the guests' names."""
    diagnose: str
    """What `hostcollector diagnose` wrote while the first guest owned VF 0."""
    moments: Mapping[str, Moment]
    """Who had VF 0: at "boot" the first guest, at its "end" no guest, after a "plug" the second guest, after
    the "unplug" no guest, and then "another", the third guest."""

    def write(self, directory: Path) -> None:
        """Write the findings into a directory, complete or not at all."""
        unfinished = directory / "findings.new"
        unfinished.write_text(json.dumps(asdict(self)))
        unfinished.rename(directory / FILE)

    @classmethod
    def read(cls, directory: Path) -> "Findings":
        """Read what `write` wrote."""
        values = json.loads((directory / FILE).read_text())
        moments = {name: Moment(**moment) for name, moment in values.pop("moments").items()}
        return cls(**values, moments=moments)
