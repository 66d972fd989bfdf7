"""Every named source can be made, and what is missing on a host costs that source only."""

from pathlib import Path

import pytest

from hostcollector.app.makers import MAKERS, IdleSource, MissingSource, _made
from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.source import Request
from hostcollector.devices.pci import has_nvidia_device
from hostcollector.sources import NAMES

REQUEST = Request(guests={}, deadline=0.0, taken_at=0.0)


def test_every_name_has_a_maker() -> None:
    """A source in the flags can be made, and one that can be made is in the flags."""
    assert {source.name for source in NAMES} == set(MAKERS)


def test_a_missing_library_is_a_source_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others run on; this one names what is to be installed."""

    def fail(_: object) -> None:
        raise ImportError("no", name="pynvml")

    monkeypatch.setitem(MAKERS, "netlink", fail)
    source = _made("netlink", None)  # type: ignore[arg-type]
    assert isinstance(source, MissingSource)
    with pytest.raises(SourceUnavailableError, match="pynvml"):
        source.read(REQUEST)


def test_an_idle_source_is_in_order_and_explains_itself() -> None:
    """No hardware is a state with a note, not an error."""
    reading = IdleSource("nvml", "no NVIDIA device").read(REQUEST)
    assert (reading.samples, reading.notes, reading.partial) == ((), ("no NVIDIA device",), False)


def test_nvidia_devices_are_found_by_their_vendor(tmp_path: Path) -> None:
    """Whichever driver a device has, its vendor shows whether NVML could ever be of use."""
    assert not has_nvidia_device(tmp_path)
    device = tmp_path / "sys/bus/pci/devices/0000:ca:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x8086\n")
    assert not has_nvidia_device(tmp_path)
    (device / "vendor").write_text("0x10de\n")
    assert has_nvidia_device(tmp_path)
