"""A file system that never answers, as a dead NFS server's, costs what lies on it and nothing else."""

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hostcollector.devices.baselines import Baselines
from tests.fakes.pci import PciTree
from tests.serving import running_daemon, wait

pytestmark = pytest.mark.lab

AER = "hostcollector_host_pci_aer_errors_total"
GPU = "0000:3b:00.0"
UUID = "7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"
_MNT_DETACH = 2


@contextmanager
def dead(directory: Path) -> Iterator[None]:
    """Mount a file system on a directory whose every call waits; at the end all of them fail."""
    libc = ctypes.CDLL(None, use_errno=True)
    server = os.open("/dev/fuse", os.O_RDWR)
    try:
        options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"dead", bytes(directory), b"fuse", 0, options):
            raise OSError(ctypes.get_errno(), "mount")
        yield
    finally:
        os.close(server)
        libc.umount2(bytes(directory), _MNT_DETACH)


def test_a_map_on_a_dead_disk_costs_no_page_and_no_end(tmp_path: Path) -> None:
    """Pages come from the map of before, the log says it once, and SIGTERM overtakes a reload that waits."""
    share, file = tmp_path / "share", tmp_path / "config.yml"
    share.mkdir()
    (share / "tenants.yml").write_text(f"uuids: {{{UUID}: acme}}")
    file.write_text(
        f"tenancy: {{map_file: {share}/tenants.yml}}\ncollection: {{maximum_age_seconds: 0}}\n"
        f"paths: {{state_directory: {tmp_path}/state}}\n"
    )
    with running_daemon(tmp_path, f"--config.file={file}") as daemon:
        with dead(share):

            def is_said() -> bool:
                assert daemon.get("/metrics")[0] == 200
                return "tenants.yml does not answer" in daemon.log.read_text()

            wait(is_said, "a line in the log")
            assert daemon.get("/metrics")[0] == 200
            assert daemon.log.read_text().count("tenants.yml does not answer") == 1
        wait(lambda: daemon.get("/metrics")[0] == 200 and "recovered" in daemon.log.read_text(), "the end")
        with dead(share):
            daemon.child.send_signal(signal.SIGHUP)
            assert daemon.get("/metrics")[0] == 200
            assert daemon.end() == 0


def test_secrets_on_a_dead_disk_cost_their_service_only(tmp_path: Path) -> None:
    """The daemon starts, reloads, serves and ends; only who needs the password cannot be asked."""
    share, file = tmp_path / "share", tmp_path / "config.yml"
    share.mkdir()
    file.write_text(
        f"ufm: {{url: 'https://127.0.0.1:9', user: u, password_file: {share}/password}}\n"
        f"paths: {{state_directory: {tmp_path}/state}}\n"
    )
    with dead(share), running_daemon(tmp_path, f"--config.file={file}") as daemon:
        assert 'hostcollector_source_up{source="host"} 1.0' in daemon.get("/metrics")[1]
        daemon.child.send_signal(signal.SIGHUP)
        wait(lambda: "configuration reloaded" in daemon.log.read_text(), "the reload")
        assert daemon.get("/metrics")[0] == 200
        assert daemon.end() == 0


def test_a_dead_state_directory_costs_the_counters_that_need_it(tmp_path: Path) -> None:
    """What hardware counted is absent and marked, and there when the disk is back."""
    tree = PciTree(tmp_path / "root")
    tree.add(GPU, driver="nvidia")
    tree.aer(GPU, correctable_RxErr=5)
    state, file = tmp_path / "state", tmp_path / "config.yml"
    state.mkdir()
    file.write_text(
        f"paths: {{state_directory: {state}, root: {tmp_path}/root}}\n"
        "collection: {maximum_age_seconds: 0}\n"
    )
    with running_daemon(tmp_path, f"--config.file={file}") as daemon:
        with dead(state):
            page = daemon.get("/metrics")[1]
            assert f"\n{AER}{{" not in page
            assert "\nhostcollector_host_pci_info{" in page
            assert "hostcollector_baselines_unsaved 1.0" in page
            assert "the disk has not answered for" in daemon.get("/")[1]
        wait(lambda: f"\n{AER}{{" in daemon.get("/metrics")[1], "the counters")
        assert "hostcollector_baselines_unsaved 0.0" in daemon.get("/metrics")[1]


def test_baselines_on_a_dead_disk_are_unknown_and_nothing_waits(tmp_path: Path) -> None:
    """Counters of reused hardware are absent, with the reason; when the disk is back they go on."""
    state = tmp_path / "state"
    before = Baselines(state, patience=30)
    before.relative("vf/1", "a", {"rx": 100})
    before.flush()
    baselines = Baselines(state, patience=0.1)
    with dead(state):
        assert baselines.relative("vf/1", "a", {"rx": 130}) == {}
        assert baselines.status.records == 0
        assert "the disk has not answered for" in baselines.problems[0]
    wait(lambda: baselines.relative("vf/1", "a", {"rx": 150}) == {"rx": 50}, "the record")
