"""Ports are read as the kernel's files have them, in base units; what a driver does not count is absent."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.model import Scope
from hostcollector.base.source import Reading, Request
from hostcollector.sources.infiniband import Infiniband

PORT = ("mlx5_0", "1")
PREFIX = "hostcollector_host_infiniband_"
# As a ConnectX-7 with Linux 6.12 has them.
COUNTERS = {
    "port_rcv_data": "1000",
    "port_xmit_data": "250",
    "port_rcv_packets": "7",
    "port_xmit_wait": "18446744073709551615",
    "symbol_error": "0",
    "VL15_dropped": "3",
    "port_rcv_switch_relay_errors": "N/A (no PMA)",
    "invented_by_a_vendor": "5",
}
HARDWARE_COUNTERS = {
    "lifespan": "10",
    "out_of_buffer": "12",
    "np_cnp_sent": "4",
    "vport_rx_write_requests": "9",
}


def _write(path: Path, value: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value + "\n")


def _device(root: Path, name: str = "mlx5_0", **files: str) -> Path:
    """Add an RDMA device with one port."""
    function = root / "sys/devices/pci0000:00" / f"0000:3b:00.{name[-1]}"
    path = function / "infiniband" / name
    about = {"fw_ver": "28.39.1002", "hca_type": "MT4129", "board_id": "MT_0000000838"}
    for file, value in {**about, "node_guid": "b83f:d203:0012:3456", **files}.items():
        _write(path / file, value)
    (path / "device").symlink_to(f"../../../{function.name}")
    link = root / "sys/class/infiniband" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"../../devices/pci0000:00/{function.name}/infiniband/{name}")
    return path


def _port(path: Path, number: int = 1, **directories: Mapping[str, str]) -> Path:
    port = path / "ports" / str(number)
    state = {"state": "4: ACTIVE", "phys_state": "5: LinkUp", "rate": "400 Gb/sec (4X NDR)"}
    for file, value in {**state, "link_layer": "InfiniBand"}.items():
        _write(port / file, value)
    for directory, files in directories.items():
        for file, value in files.items():
            _write(port / directory / file, value)
    return port


def _read(root: Path) -> Reading:
    return Infiniband(root).read(Request(guests={}, deadline=0.0, taken_at=0.0))


def _values(root: Path) -> dict[str, float]:
    """Return the port's values by short name."""
    samples = _read(root).samples
    return {
        sample.metric.name.removeprefix(PREFIX): float(sample.value)  # type: ignore[arg-type]
        for sample in samples
        if sample.labels == PORT
    }


def test_a_host_without_infiniband_is_well_and_has_no_series(tmp_path: Path) -> None:
    """Nothing to read is no failure."""
    reading = _read(tmp_path)
    assert (list(reading.samples), reading.partial) == ([], False)
    assert reading.notes == ("no InfiniBand or RoCE device here",)


def test_a_port_is_read_in_base_units(tmp_path: Path) -> None:
    """Data is counted in words of four octets, rates in bits; the rest is as it is."""
    _port(_device(tmp_path), counters=COUNTERS)
    assert _values(tmp_path) == {
        "state_id": 4,
        "physical_state_id": 5,
        "rate_bytes_per_second": 50e9,
        "port_data_received_bytes_total": 4000,
        "port_data_transmitted_bytes_total": 1000,
        "port_packets_received_total": 7,
        "port_transmit_wait_total": 2.0**64,
        "symbol_error_total": 0,
        "vl15_dropped_total": 3,
    }


def test_what_the_driver_does_not_count_is_absent(tmp_path: Path) -> None:
    """Neither the text that some drivers give instead of a number nor a refused read becomes a 0."""
    port = _port(_device(tmp_path), counters={"port_rcv_errors": "N/A (no PMA)", "link_downed": "-1"})
    (port / "counters/symbol_error").mkdir()
    reading = _read(tmp_path)
    assert reading.missing == 2
    assert any("counters/symbol_error cannot be read: Is a directory" in note for note in reading.notes)
    assert set(_values(tmp_path)) == {"state_id", "physical_state_id", "rate_bytes_per_second"}


def test_hardware_counters_have_names_of_their_own_or_that_of_their_file(tmp_path: Path) -> None:
    """Counters that other exporters name have that name, any other one its file's; settings are none."""
    _port(_device(tmp_path), hw_counters=HARDWARE_COUNTERS)
    samples = _read(tmp_path).samples
    values = {
        (sample.metric.name.removeprefix(PREFIX), sample.labels): sample.value
        for sample in samples
        if sample.metric.name.endswith("_total")
    }
    assert values == {
        ("out_of_buffer_drops_total", PORT): 12,
        ("np_cnp_packets_sent_total", PORT): 4,
        ("hardware_events_total", (*PORT, "vport_rx_write_requests")): 9,
    }


def test_64_bit_counters_of_old_drivers_are_preferred(tmp_path: Path) -> None:
    """Beside 32-bit counters that stick at their end there are others, in the same words of four octets."""
    extended = {"port_rcv_data_64": "2000000000", "port_unicast_rcv_packets": "6", "unknown": "1"}
    _port(_device(tmp_path), counters={"port_rcv_data": "4294967295"}, counters_ext=extended)
    values = _values(tmp_path)
    assert values["port_data_received_bytes_total"] == 8_000_000_000
    assert values["unicast_packets_received_total"] == 6


def test_devices_and_ports_are_described(tmp_path: Path) -> None:
    """Firmware, type, GUID and PCI address of the device, and the link layer of each port."""
    path = _device(tmp_path)
    _port(path)
    _write(_port(path, 2) / "link_layer", "Ethernet")
    samples = _read(tmp_path).samples
    about = ("mlx5_0", "MT_0000000838", "28.39.1002", "MT4129", "b83f:d203:0012:3456", "0000:3b:00.0")
    assert [sample.labels for sample in samples if sample.metric.name == f"{PREFIX}info"] == [about]
    ports = [sample.labels for sample in samples if sample.metric.name == f"{PREFIX}port_info"]
    assert ports == [("mlx5_0", "1", "InfiniBand"), ("mlx5_0", "2", "Ethernet")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("400 Gb/sec (4X NDR)", 50e9), ("2.5 Gb/sec (1X SDR)", 312_500_000), ("fast", None), ("", None)],
)
def test_the_rate_is_read_or_absent(tmp_path: Path, text: str, expected: float | None) -> None:
    """What is no rate gives no series."""
    _write(_port(_device(tmp_path)) / "rate", text)
    assert _values(tmp_path).get("rate_bytes_per_second") == expected


def test_vfs_are_left_to_their_own_source(tmp_path: Path) -> None:
    """A VF that the host itself uses has an RDMA device too; it is no port of the host's."""
    _port(_device(tmp_path))
    path = _device(tmp_path, "mlx5_1")
    _port(path)
    (path.parent.parent / "physfn").symlink_to("../0000:3b:00.0")
    assert {sample.labels[0] for sample in _read(tmp_path).samples} == {"mlx5_0"}


def test_ports_belong_to_the_host(tmp_path: Path) -> None:
    """What all tenants together send and receive has no owner."""
    _port(_device(tmp_path), counters=COUNTERS, hw_counters=HARDWARE_COUNTERS)
    samples = _read(tmp_path).samples
    assert samples
    assert all(sample.metric.scope is Scope.HOST and not sample.uuid for sample in samples)


def test_counters_that_a_driver_does_not_keep_are_a_fact(tmp_path: Path) -> None:
    """Said once for all ports with the same text; the reading is whole."""
    for name in ("mlx5_0", "mlx5_1"):
        _port(_device(tmp_path, name), counters={"port_rcv_errors": "N/A (no PMA)", "link_downed": "0"})
    reading = _read(tmp_path)
    assert (reading.partial, reading.missing) == (False, 0)
    assert reading.notes == ("no value in some counters of mlx5_0/1, mlx5_1/1: the driver says N/A (no PMA)",)


@pytest.mark.parametrize("value", ["-1", "9" * 21, "18446744073709551616", "1.5", "0x10", "1 2"])
def test_a_counter_that_is_no_number_costs_itself(value: str, tmp_path: Path) -> None:
    """Its file is named, and the port's other counters are there."""
    _port(_device(tmp_path), counters={"port_rcv_packets": "7", "link_downed": value})
    reading = _read(tmp_path)
    assert _values(tmp_path)["port_packets_received_total"] == 7
    assert (reading.partial, reading.missing) == (True, 1)
    assert reading.notes[0].startswith("port mlx5_0/1: counters/link_downed cannot be read: it says")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("state", "ACTIVE"),
        ("phys_state", "5 LinkUp"),
        ("rate", "fast"),
        ("state", "9999: X"),
        ("rate", "-1 Gb/sec"),
    ],
)
def test_a_state_that_is_none_costs_itself(file: str, said: str, tmp_path: Path) -> None:
    """The port's counters stay, and the note quotes what the file says."""
    port = _port(_device(tmp_path), counters={"port_rcv_packets": "7"})
    _write(port / file, said)
    reading = _read(tmp_path)
    assert _values(tmp_path)["port_packets_received_total"] == 7
    assert (reading.partial, reading.missing) == (True, 1)
    assert reading.notes == (f"port mlx5_0/1: {file} cannot be read: it says {said!r}",)


def test_a_device_without_ports_is_missed_and_named(tmp_path: Path) -> None:
    """A card whose ports are gone is not one that never had any."""
    _device(tmp_path)
    _port(_device(tmp_path, "mlx5_1"))
    reading = _read(tmp_path)
    assert (reading.partial, reading.missing) == (True, 1)
    assert reading.notes == ("port not found: mlx5_0 (the device has none)",)


@given(
    st.binary(max_size=30),
    st.sampled_from(["counters/x", "counters/link_downed", "rate", "state", "hw_counters/y"]),
)
def test_one_bad_file_among_good_ones_loses_only_itself(bad: bytes, file: str) -> None:
    """Whatever it holds, the other counters of the port are read."""
    with TemporaryDirectory() as directory:
        root = Path(directory)
        port = _port(
            _device(root), counters={"port_rcv_packets": "7", "zeta": "1"}, hw_counters={"a": "1", "z": "2"}
        )
        (port / file).write_bytes(bad)
        found = {(sample.metric.name, sample.labels): sample.value for sample in _read(root).samples}
    assert found[f"{PREFIX}port_packets_received_total", PORT] == 7
    assert found[f"{PREFIX}hardware_events_total", (*PORT, "a")] == 1
    assert found[f"{PREFIX}hardware_events_total", (*PORT, "z")] == 2
