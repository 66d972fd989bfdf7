"""A collector that cannot write what it has to remember says so, and one that is killed forgets nothing."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.fakes.pci import PciTree
from tests.lab.matrix.harm import NO_HARM
from tests.lab.matrix.reading import shows
from tests.lab.matrix.row import Begin
from tests.lab.matrix.scene import Scene
from tests.lab.matrix.watched import watched

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

GPU = "0000:3b:00.0"
ERRORS = "hostcollector_host_pci_aer_errors_total"
KILLS = 2
UNSAVED = "hostcollector_baselines_unsaved"


@pytest.fixture
def tree(tmp_path: Path) -> PciTree:
    """Give a host, believed to be below that root, with one unassigned GPU."""
    tree = PciTree(tmp_path / "root")
    tree.add(GPU, driver="nvidia")
    tree.aer(GPU, correctable_RxErr=5)
    return tree


@contextmanager
def _small_disk(directory: Path) -> Iterator[None]:
    """Mount a file system of a few pages for the block."""
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "lab", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def test_the_state_directory_is_full_or_read_only(
    on_stage: Scene, tree: PciTree, tmp_path: Path, begin: Begin
) -> None:
    """What could not be kept is marked on the page, and kept as soon as there is room."""
    state = tmp_path / "state"
    ballast = state / "ballast"
    with (
        _small_disk(state),
        watched(on_stage.hypervisor.uri_readonly, tmp_path, root=tree.root) as seen,
        begin("state directory full, read-only", seen) as row,
    ):
        for number in row.each_round():
            with row.fault(NO_HARM):
                with ballast.open("wb") as file, suppress(OSError):
                    file.write(b"\0" * 2**20)
                tree.add(f"0000:4{number}:00.0", driver="nvidia")
                row.see(shows(UNSAVED, 1), "the page says that a baseline is not on disk")
                ballast.unlink()
                row.see(shows(UNSAVED, 0), "it is written")
            with row.fault(NO_HARM):
                subprocess.run(["mount", "-o", "remount,ro", state], check=True)
                tree.add(f"0000:5{number}:00.0", driver="nvidia")
                row.see(shows(UNSAVED, 1), "the page says that a baseline is not on disk")
                subprocess.run(["mount", "-o", "remount,rw", state], check=True)
                row.see(shows(UNSAVED, 0), "it is written")


def test_a_collector_that_is_killed_forgets_no_baseline(
    on_stage: Scene, tree: PciTree, tmp_path: Path, begin: Begin
) -> None:
    """As after the kernel's out-of-memory killer: the next one counts on from where its owner began."""
    with watched(on_stage.hypervisor.uri_readonly, tmp_path, root=tree.root) as seen:
        assert seen.served.page().one(ERRORS, severity="correctable") == 0
    for number in range(1, KILLS + 1):
        tree.aer(GPU, correctable_RxErr=5 + 2 * number - 1)
        with watched(on_stage.hypervisor.uri_readonly, tmp_path, root=tree.root) as seen:
            with begin(f"killed as out of memory, life {number}", seen) as row:
                for _ in row.each_round(1):
                    row.see(shows(ERRORS, 2 * number - 1, severity="correctable"), "the baseline held")
                    tree.aer(GPU, correctable_RxErr=5 + 2 * number)
                    row.see(shows(ERRORS, 2 * number, severity="correctable"), "the counter goes on")
            seen.served.child.send_signal(signal.SIGKILL)
            seen.served.child.wait()
