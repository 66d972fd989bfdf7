"""What boards answer on fleets whose figures are known, by promtool with the shipped recordings."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.dashboards.boards import boards, filled_in, panels
from tests.dashboards.rule_files import DASHBOARDS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

_GIB = 2**30
_HOST = 'job="hostcollector",region="eu",availability_zone="a",instance="{}"'
_OPENED = {
    "job": "hostcollector",
    "region": ".*",
    "availability_zone": ".*",
    "instance": ".+",
    "tenant": ".*",
}

Samples = Mapping[str, float]
"""Labels in braces, without the name, to the value."""


def _asks(board: str, title: str, column: int = 0, **values: str) -> str:
    """Return what a panel asks, with the variables that a board opens with and others."""
    (panel,) = [panel for panel in panels(boards()[board]) if panel["title"] == title]
    return filled_in(panel["targets"][column]["expr"], _OPENED | values, span=600)


def _holds(directory: Path, series: Mapping[str, float | str], expected: Mapping[str, Samples]) -> None:
    """Check with promtool what queries give after twenty minutes of series, which are a value or `a+b`."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": f"{values}x20"} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": "20m",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
            }
            for expr, samples in expected.items()
        ],
    }
    rules = str(DASHBOARDS / "rules" / "recording.yml")
    document = {"rule_files": [rules], "evaluation_interval": "1m", "tests": [test]}
    (directory / "test.yml").write_text(json.dumps(document))
    command = ["promtool", "test", "rules", str(directory / "test.yml")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_how_many_guests_of_a_size_fit(tmp_path: Path) -> None:
    """The scarcest resource of each host decides; a size without GPUs is not limited by them."""
    one, other = _HOST.format("hv1"), _HOST.format("hv2")
    guest = f'{one},tenant="t",domain="web",uuid="u-web"'
    series: dict[str, float | str] = {
        f"hostcollector_host_cpus_online{{{one}}}": 8,
        f"hostcollector_host_cpus_online{{{other}}}": 2,
        f"hostcollector_host_memory_bytes{{{one}}}": 100 * _GIB,
        f"hostcollector_host_memory_bytes{{{other}}}": 100 * _GIB,
        f"libvirt_domain_info_virtual_cpus{{{guest}}}": 12,
        f"libvirt_domain_info_maximum_memory_bytes{{{guest}}}": 30 * _GIB,
        f'hostcollector_host_gpu_info{{{one},gpu="0000:1b:00.0",pci_address="0000:1b:00.0",vendor="10de",'
        'model="H100",numa_node="0",mode="passthrough"}': 1,
    }
    title = "Guests of this size that fit"
    expected: dict[str, Samples] = {
        # (4 * 8 - 12) / 4 vCPUs and 70 GiB / 8 on one, 8 / 4 and 100 / 8 on the other.
        _asks("capacity", title): {"{}": 5 + 2},
        _asks("capacity", title, memory_gib="40"): {"{}": 1 + 2},
        _asks("capacity", title, gpus="1"): {"{}": 1},
        _asks("capacity", title, pages="huge"): {"{}": 0},
    }
    _holds(tmp_path, series, expected)


def test_how_available_guests_were(tmp_path: Path) -> None:
    """Planned time counts in neither sum; downtime is in seconds, by tenant and by guest."""
    series: dict[str, float | str] = {}
    for name, state, seconds in (("web", "available", 45), ("web", "unplanned", 15), ("db", "planned", 60)):
        guest = f'{_HOST.format("hv1")},tenant="acme",domain="{name}",uuid="u-{name}"'
        series[f"libvirt_domain_info_virtual_cpus{{{guest}}}"] = 1
        series[f'libvirt_domain_availability_seconds_total{{{guest},state="{state}"}}'] = f"0+{seconds}"
    expected: dict[str, Samples] = {
        _asks("availability", "Service level"): {"{}": 0.75},
        _asks("availability", "Unplanned downtime"): {"{}": 150},
        _asks("availability", "Planned downtime"): {"{}": 600},
        _asks("availability", "Down now, unplanned"): {"{}": 1},
        _asks("availability", "Service level", tenant="other"): {},
    }
    _holds(tmp_path, series, expected)


def test_who_was_met_on_the_cpus_that_a_guest_waited_for(tmp_path: Path) -> None:
    """A neighbour on the CPU of a waiting vCPU is met; one on the CPU of a vCPU that does not wait is not."""
    host = _HOST.format("hv1")
    series: dict[str, float | str] = {}
    for name, vcpu, cpu, delay in (
        ("victim", 0, 3, "0+6"),
        ("victim", 1, 5, "0+0"),
        ("loud", 0, 3, "0+0"),
        ("quiet", 0, 5, "0+0"),
    ):
        thread = f'{host},tenant="t",domain="{name}",uuid="u-{name}",vcpu="{vcpu}"'
        series[f"libvirt_domain_vcpu_cpu{{{thread}}}"] = cpu
        series[f"libvirt_domain_vcpu_delay_seconds_total{{{thread}}}"] = delay
    loud = 'job="hostcollector",instance="hv1",tenant="t",domain="loud",uuid="u-loud"'
    met = _asks("neighbours", "Who was met", 1, guest="u-victim", instance="hv1")
    # Ten minutes with both of their ends.
    _holds(tmp_path, series, {met: {f"{{{loud}}}": 61 * 10_000 / 60_000}})  # 61 steps of ten seconds


def test_a_guest_that_is_migrated_counts_once_and_hosts_of_one_name_are_two(tmp_path: Path) -> None:
    """Counts are by guest, not by series; a hypervisor is its region and its name."""
    series: dict[str, float | str] = {}
    for region in ("eu", "us"):
        host = f'job="hostcollector",region="{region}",instance="hv1"'
        series[f"up{{{host}}}"] = 1
        series[f"libvirt_up{{{host}}}"] = 1
        series[f'libvirt_domain_info_virtual_cpus{{{host},tenant="t",domain="web",uuid="u-web"}}'] = 2
    expected: dict[str, Samples] = {
        _asks("fleet", "Guests"): {"{}": 1},
        _asks("fleet", "Hypervisors up"): {"{}": 2},
        _asks("fleet", "Hypervisors", 0): {
            '{region="eu",instance="hv1"}': 1,
            '{region="us",instance="hv1"}': 1,
        },
    }
    _holds(tmp_path, series, expected)
