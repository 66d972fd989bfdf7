"""Every named source can be made, and what is missing on a host costs that source only."""

import re
from pathlib import Path

import pytest

from hostcollector.app.makers import MAKERS, IdleSource, MissingSource, _made
from hostcollector.app.wiring import Hypervisor
from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.model import SourceState
from hostcollector.base.source import Request
from hostcollector.config.settings import PathSettings, Settings
from hostcollector.devices.pci import has_nvidia_device
from hostcollector.sources import NAMES
from tests.places import REPOSITORY

REQUEST = Request(guests={}, deadline=0.0, taken_at=0.0)


def test_every_name_has_a_maker() -> None:
    """A source in the flags can be made, and one that can be made is in the flags."""
    assert {source.name for source in NAMES} == set(MAKERS), "sources/__init__.py and app/makers.py differ"


def test_every_source_is_in_the_readme() -> None:
    """Its table says what each source reads, and what it needs of the host."""
    cells = re.findall(r"^\| (`[^|]*) \|", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
    listed = set(re.findall(r"`(\w+)`", " ".join(cells)))
    missing = {source.name for source in NAMES} - listed
    assert not missing, "these sources are not in the table of sources in README.md"


def test_a_missing_library_is_a_source_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others run on; this one names what is to be installed."""

    def fail(_: object) -> None:
        raise ImportError("no", name="pynvml")

    monkeypatch.setitem(MAKERS, "netlink", fail)
    source = _made("netlink", None)  # type: ignore[arg-type]
    assert isinstance(source, MissingSource)
    with pytest.raises(SourceUnavailableError, match="pynvml"):
        source.read(REQUEST)


def test_an_idle_source_is_off_and_explains_itself() -> None:
    """No hardware is a state with its reason, not an error."""
    reading = IdleSource("nvml", "no NVIDIA device").read(REQUEST)
    assert (reading.samples, reading.off, reading.partial) == ((), "no NVIDIA device", False)


def test_a_source_that_is_switched_off_names_the_setting(tmp_path: Path) -> None:
    """It stays in the list of sources, so that an operator sees that it is off and why."""
    paths = PathSettings(state_directory=str(tmp_path))
    settings = Settings(paths=paths, sources={"cgroup": False})
    hypervisor = Hypervisor.of(settings, by_hand=True)
    collector = hypervisor.collector(settings)
    reports = {report.source: report for report in collector.snapshot().result(30).reports}
    collector.close()
    hypervisor.close()
    assert list(reports) == [source.name for source in NAMES]
    assert reports["cgroup"].state is SourceState.OFF
    assert "sources.cgroup" in reports["cgroup"].off


def test_nvidia_devices_are_found_by_their_vendor(tmp_path: Path) -> None:
    """Whichever driver a device has, its vendor shows whether NVML could ever be of use."""
    assert not has_nvidia_device(tmp_path)
    device = tmp_path / "sys/bus/pci/devices/0000:ca:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x8086\n")
    assert not has_nvidia_device(tmp_path)
    (device / "vendor").write_text("0x10de\n")
    assert has_nvidia_device(tmp_path)
