"""Writes the rule files: `python -m dashboards.alerts [--parameters FILE] [DIRECTORY]`.

Without a directory it writes those that are committed, dashboards/rules/. FILE has what differs from
dashboards/alerts/parameters.yml.
"""

import argparse
from pathlib import Path

import yaml

from dashboards.alerts import (
    collector,
    devices,
    disks,
    ends,
    fleet,
    gateway,
    gpus,
    guests,
    hardware,
    hosts,
    intake,
    jobs,
    memory,
    networks,
    uplinks,
    usage,
    xids,
)
from dashboards.alerts.rendering import Parameters, UnknownParameterError, render

GROUPS = (
    fleet.GROUP,
    collector.GROUP,
    usage.GROUP,
    hosts.GROUP,
    guests.GROUP,
    ends.GROUP,
    jobs.GROUP,
    memory.GROUP,
    disks.GROUP,
    networks.GROUP,
    uplinks.GROUP,
    devices.GROUP,
    gpus.GROUP,
    xids.GROUP,
    hardware.GROUP,
    gateway.GROUP,
    intake.GROUP,
)

_HERE = Path(__file__).parent
_RULES = _HERE.parent / "rules"
DEFAULTS = _HERE / "parameters.yml"
HEADING = """\
# Written by `make rules` from dashboards/alerts; not to be edited by hand. Thresholds, selectors and labels are in
# dashboards/alerts/parameters.yml; docs/alerts-and-boards.md says how to render the rules with your own.
"""


def main(directory: Path, own: Path | None) -> None:
    """Write alerts.yml, and recording.yml for the same job, into a directory that is made if it is missing."""
    parameters = Parameters.read(DEFAULTS.read_text(), own.read_text() if own else "")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "alerts.yml").write_text(render(GROUPS, parameters, HEADING))
    shipped = (_RULES / "recording.yml").read_text()
    (directory / "recording.yml").write_text(shipped.replace('job="hostcollector"', parameters.selector))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m dashboards.alerts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", nargs="?", type=Path, default=_RULES)
    parser.add_argument("--parameters", type=Path)
    arguments = parser.parse_args()
    try:
        main(arguments.directory, arguments.parameters)
    except (UnknownParameterError, yaml.YAMLError) as error:
        parser.exit(2, f"{arguments.parameters or DEFAULTS}: {error}\n")
    except OSError as error:
        parser.exit(1, f"{error}\n")
