"""What GPUs said of themselves, kept over restarts."""

import json
from pathlib import Path

import pytest

from hostcollector.base.state_file import UNREADABLE
from hostcollector.devices.gpu_identities import FILE_NAME, GpuIdentities, GpuIdentity

ONE, TWO = "0000:1b:00.0", "0000:2b:00.0"


def again(directory: Path) -> GpuIdentities:
    """Return what a new process would know."""
    return GpuIdentities(directory, patience=30)


def test_kept_on_disk(tmp_path: Path) -> None:
    """What was learned and confirmed is known after a restart."""
    identities = GpuIdentities(tmp_path, patience=30)
    identities.learn(ONE, "1653224030001", "GPU-1")
    identities.learn(TWO, "", "GPU-2")
    identities.confirm(ONE, "B1", "/GPU_SXM_1")
    identities.confirm("0000:ff:00.0", "B1", "/GPU_SXM_9")
    identities.flush()
    assert again(tmp_path).known == {
        ONE: GpuIdentity(serial="1653224030001", uuid="GPU-1", baseboard="B1", place="/GPU_SXM_1"),
        TWO: GpuIdentity(uuid="GPU-2"),
    }
    assert identities.problems == ()


def test_another_gpu_at_an_address(tmp_path: Path) -> None:
    """A GPU with other numbers is a new one, which no BMC has reported yet; the same one stays what it is."""
    identities = GpuIdentities(tmp_path, patience=30)
    identities.learn(ONE, "1653224030001", "GPU-1")
    identities.confirm(ONE, "B1", "/GPU_SXM_1")
    identities.learn(ONE, "1653224030001", "GPU-1")
    assert identities.known[ONE].place == "/GPU_SXM_1"
    identities.learn(ONE, "1653224030002", "GPU-2")
    assert identities.known[ONE] == GpuIdentity(serial="1653224030002", uuid="GPU-2")


def test_a_number_that_is_not_reported_again_stays(tmp_path: Path) -> None:
    """A driver that answers without one of them once means the same GPU; with another one, another GPU."""
    identities = GpuIdentities(tmp_path)
    for serial, uuid in (("1653", "GPU-1"), ("", "GPU-1"), ("1653", ""), ("", "")):
        identities.learn("0000:1b:00.0", serial, uuid)
        assert identities.known == {"0000:1b:00.0": GpuIdentity(serial="1653", uuid="GPU-1")}
    identities.learn("0000:1b:00.0", "", "GPU-2")
    assert identities.known == {"0000:1b:00.0": GpuIdentity(uuid="GPU-2")}


def test_a_gpu_that_was_moved(tmp_path: Path) -> None:
    """A GPU is at one address only: where it was seen last."""
    identities = GpuIdentities(tmp_path, patience=30)
    identities.learn(ONE, "1653224030001", "GPU-1")
    identities.learn(TWO, "1653224030001", "GPU-1")
    assert set(identities.known) == {TWO}


def test_nothing_is_nothing(tmp_path: Path) -> None:
    """A GPU that says nothing of itself is not kept, and nothing is written."""
    identities = GpuIdentities(tmp_path, patience=30)
    identities.learn(ONE, "", "")
    identities.flush()
    assert identities.known == {}
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"version": null, "gpus": {}}',
        b'{"version": 1, "gpus": []}',
        b'{"version": 1, "gpus": {"0000:1b:00.0": {"serial": 7}}}',
    ],
)
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    """What cannot be believed is kept beside, and said; everything can be learned anew."""
    file = tmp_path / FILE_NAME
    file.parent.mkdir()
    file.write_bytes(damage)
    identities = GpuIdentities(tmp_path, patience=30)
    assert identities.known == {}
    assert "have to be identified anew" in identities.problems[0]
    assert file.with_name(file.name + UNREADABLE).read_bytes() == damage
    identities.learn(ONE, "1653224030001", "")
    identities.flush()
    assert json.loads(file.read_bytes())["gpus"][ONE]["serial"] == "1653224030001"


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """What cannot be written is said, and tried again at the next flush."""
    state = tmp_path / "state"
    state.write_text("a file")
    identities = GpuIdentities(state, patience=30)
    identities.learn(ONE, "1653224030001", "")
    identities.flush()
    assert any("cannot be written" in problem for problem in identities.problems)
    state.unlink()
    identities.flush()
    assert not [problem for problem in identities.problems if "written" in problem]
    assert again(state).known[ONE].serial == "1653224030001"
