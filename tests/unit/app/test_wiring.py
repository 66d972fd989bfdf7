"""The parts as they are put together for the daemon and for a command beside it."""

from pathlib import Path

import pytest

from hostcollector.app.wiring import Hypervisor
from hostcollector.config.settings import PathSettings, Settings
from hostcollector.protocols.libvirt.budget import CALLS_BY_HAND, POOLED_CALLS


@pytest.mark.parametrize("by_hand", [False, True])
def test_only_the_daemon_writes_what_is_kept(tmp_path: Path, *, by_hand: bool) -> None:
    """A collection by hand sees the same record and leaves the state directory as it is."""
    state = tmp_path / "state"
    parts = Hypervisor.of(Settings(paths=PathSettings(state_directory=str(state))), by_hand=by_hand)
    assert parts.baselines.relative("vf/1", "a", {"rx": 5}) == {"rx": 0}
    parts.identities.learn("0000:1b:00.0", "1", "GPU-1")
    parts.baselines.flush()
    parts.identities.flush()
    assert state.exists() is not by_hand


@pytest.mark.parametrize(("by_hand", "most"), [(True, CALLS_BY_HAND), (False, POOLED_CALLS)])
def test_a_collection_by_hand_leaves_libvirts_workers_alone(
    tmp_path: Path, *, by_hand: bool, most: int
) -> None:
    """However many guests hang, and whatever the daemon beside it has stuck already."""
    paths = PathSettings(state_directory=str(tmp_path))
    workers = Hypervisor.of(Settings(paths=paths), by_hand=by_hand).workers
    taken = [pool.take() for pool in (workers.monitors, workers.states) for _ in range(20)]
    assert sum(worker is not None for worker in taken) == most
    workers.close()
