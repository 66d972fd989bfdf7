"""The documented join of a fleet-side Redfish exporter with the page, executed by promtool."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.places import REPOSITORY

_RULES = re.compile(r"```yaml\n(groups:\n.*?)```", re.DOTALL)
_BMC = 'instance="bmc-hv1",job="redfish",system_id="HGX_Baseboard_0"'
_PAGE = 'instance="hv1:10177",job="hostcollector",bmc_system="HGX_Baseboard_0"'
_HEALTH = "gpu:redfish_gpu_health:guest"
_RESETS = "gpu:redfish_telemetry_fundamental_reset_entry:guest"


def _slot(guest: str, tenant: str, number: int, uuid: str) -> str:
    owner = f'domain="{guest}",tenant="{tenant}",uuid="u-{guest}"'
    gpu = f'gpu="0000:{number}b:00.0",pci_address="0000:{number}b:00.0",bmc_gpu="GPU_{number}"'
    return f'libvirt_domain_gpu_slot_info{{{_PAGE},{owner},{gpu},serial="1",gpu_uuid="{uuid}"}}'


def _given() -> dict[str, int]:
    """Return a module of two GPUs with one serial number, a third GPU without a guest, and a second host."""
    series = {
        _slot("web", "acme", 0, "aa-0"): 1,
        _slot("db", "globex", 1, "aa-1"): 1,
        _slot("old", "globex", 3, ""): 1,
        _slot("older", "globex", 4, ""): 1,
    }
    for number in range(3):
        gpu = f'{_BMC},gpu_id="GPU_{number}"'
        series[f"redfish_gpu_health{{{gpu}}}"] = number + 1
        series[f'redfish_gpu_info{{{gpu},serial_number="1",uuid="aa-{number}"}}'] = 1
        series[f"redfish_telemetry_fundamental_reset_entry_total{{{gpu}}}"] = 5 * number
    return series


def _expected(record: str, values: dict[str, int], more: str = "") -> dict[str, object]:
    owners = {"GPU_0": ("web", "acme"), "GPU_1": ("db", "globex")}
    samples = []
    for gpu, value in values.items():
        guest, tenant = owners[gpu]
        owner = f'domain="{guest}",tenant="{tenant}",uuid="u-{guest}"'
        samples.append({"labels": f'{record}{{{_BMC},gpu_id="{gpu}",{owner}{more}}}', "value": value})
        if record == _HEALTH:
            samples[-1]["labels"] = f'{record}{{{_BMC},gpu_id="{gpu}",{owner},gpu_uuid="aa-{gpu[-1]}"}}'
    return {"expr": record, "eval_time": "5m", "exp_samples": samples}


@pytest.mark.lab
def test_the_documented_join(tmp_path: Path) -> None:
    """Each GPU of a guest gets its tenant, also where two share a serial number; another is left out."""
    found = _RULES.search((REPOSITORY / "docs/gpus.md").read_text())
    assert found is not None
    (tmp_path / "rules.yml").write_text(found[1])
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": f"{value}x10"} for name, value in _given().items()],
        "promql_expr_test": [
            _expected(_HEALTH, {"GPU_0": 1, "GPU_1": 2}),
            _expected(_RESETS, {"GPU_0": 0, "GPU_1": 5}, ',host="hv1"'),
        ],
    }
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(document))
    command = ["promtool", "test", "rules", str(tmp_path / "test.yml")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
