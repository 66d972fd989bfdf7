"""`hostcollector usage`: this host's records for a person, read without the daemon."""

import json
from pathlib import Path

import pytest
import yaml

from hostcollector.app.cli import main
from hostcollector.catalogue.usage import parse_line
from hostcollector.outputs.usage import PATH
from hostcollector.outputs.usage.ledger import FOLDER, Ledger
from tests.unit.outputs.usage.world import World, vm_name


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """Give the configuration of a daemon with the records of two VMs."""
    world = World()
    world.start(0)
    world.start(1)
    world.assign(1, "")
    world.pass_time(30, 1000)
    world.read()
    world.end()
    ledger = Ledger(tmp_path)
    ledger.open()
    ledger.append(world.ledger, 0.0)
    ledger.close()
    file = tmp_path / "hostcollector.yml"
    settings = {"usage": {"records": True}, "paths": {"state_directory": str(tmp_path)}}
    file.write_text(yaml.safe_dump(settings))
    return file


def usage(configuration: Path, *flags: str) -> int:
    """Run the command."""
    return main(["usage", f"--config.file={configuration}", *flags])


def test_the_table_has_a_row_for_each_record(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Amounts are in base units; a VM without a tenant and an unknown amount are a dash."""
    before = {path: path.read_bytes() for path in (configuration.parent / FOLDER).iterdir()}
    assert usage(configuration) == 0
    title, first, second = capsys.readouterr().out.splitlines()
    assert title.split()[:4] == ["SEQUENCE", "HOUR", "TENANT", "VM"]
    assert {"acme", vm_name(0), "1000", "shutdown"} <= set(first.split())
    assert {"-", vm_name(1), "1000"} <= set(second.split())
    assert {path: path.read_bytes() for path in (configuration.parent / FOLDER).iterdir()} == before


def test_records_are_chosen_by_vm_tenant_and_number(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json they are the lines that the gateway gets."""
    for flags, names in (
        ((f"--vm={vm_name(1)}",), [vm_name(1)]),
        (("--tenant=acme",), [vm_name(0)]),
        (("--tenant=",), [vm_name(1)]),
        (("--after=1",), [vm_name(1)]),
        (("--after=999",), []),
    ):
        assert usage(configuration, "--json", *flags) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [json.loads(line)["vm"] for line in lines] == names, flags
        assert [parse_line(line.encode()).line() for line in lines] == lines


def test_no_records_are_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A host without a ledger says how to get one."""
    file = tmp_path / "hostcollector.yml"
    file.write_text(f"paths: {{state_directory: {tmp_path}}}\n")
    assert usage(file) == 1
    assert "usage.records" in capsys.readouterr().err


def test_the_first_hour_has_no_records_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A ledger without a closed hour is an empty table, and a sentence says why."""
    file = tmp_path / "hostcollector.yml"
    file.write_text(yaml.safe_dump({"usage": {"records": True}, "paths": {"state_directory": str(tmp_path)}}))
    ledger = Ledger(tmp_path)
    ledger.open()
    ledger.close()
    assert usage(file) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert "no hour is closed yet" in printed.err


def test_check_config_names_the_readers(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who can read the bills is a line of its own."""
    assert main(["check-config", str(configuration)]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(PATH))
    assert line.endswith("else for none")
