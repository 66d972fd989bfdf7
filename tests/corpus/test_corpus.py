"""The comparison finds what a reader loses, and the readers lose nothing of the reductions."""

from pathlib import Path

import pytest

from tests.corpus import bmcs, domains
from tests.corpus.__main__ import main
from tests.places import FIXTURES

CORPUS = FIXTURES / "corpus"
BASEBOARD = CORPUS / "baseboard-reports"
GPU = "/redfish/v1/Systems/HGX_Baseboard_0/Processors/GPU_1"


@pytest.mark.parametrize("file", sorted((CORPUS / "domains").glob("*.xml")), ids=lambda file: file.stem)
def test_nothing_of_a_domain_is_lost_or_invented(file: Path) -> None:
    """Reader and plain account say the same of each reduction of libvirt's documented format."""
    found = domains.compare(file.read_text())
    assert found is not None
    assert (found.lost, found.invented) == ((), ())


def test_what_a_domain_loses_is_named() -> None:
    """A disk without a target cannot be shown; the comparison says so."""
    text = (CORPUS / "domains" / "minimal.xml").read_text()
    disk = "<devices><disk type='file' device='disk'><source file='/a'/></disk></devices></domain>"
    found = domains.compare(text.replace("</domain>", disk))
    assert found is not None
    assert "disk None: file disk" in found.lost


def test_devices_without_a_reading_are_named() -> None:
    """What no reader looks for is listed apart from what one has lost."""
    found = domains.compare((CORPUS / "domains" / "unread.xml").read_text())
    assert found is not None
    assert found.unread == ("<filesystem>", "<tpm>", "<vsock>")


@pytest.mark.parametrize("text", ["<network><name>default</name></network>", "no XML", ""])
def test_other_files_are_passed_over(text: str) -> None:
    """A folder of XML files has networks, pools and broken files in it too."""
    assert domains.compare(text) is None


def test_the_gpus_of_a_tree_are_found_and_what_is_not_shown_is_named() -> None:
    """The reader finds both GPUs, and no reading has the made-up count that the tree has of each."""
    found = bmcs.compare(bmcs.documents_below(BASEBOARD))
    assert (found.gpus, found.lost, found.invented) == (2, (), ())
    assert found.unshown["ProcessorMetrics: /Oem/Nvidia/MadeUpCount"] == 2
    assert not [name for name in found.unshown if "Sensor" in name or "report" in name]


def test_a_gpu_that_is_not_found_is_named() -> None:
    """A GPU that the collection of processors does not list is in the tree, and nowhere else."""
    documents = dict(bmcs.documents_below(BASEBOARD))
    processors = GPU.rpartition("/")[0]
    members = [it for it in documents[processors]["Members"] if it["@odata.id"] != GPU]
    documents[processors] = {**documents[processors], "Members": members}
    assert f"{GPU}: not found" in bmcs.compare(documents).lost


def test_a_folder_is_reported_file_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The status is 1 where something was lost, and a folder without such files says so."""
    assert main(CORPUS) == 0
    assert "13 domain XMLs, 0 with a difference" in capsys.readouterr().out
    assert main(tmp_path) == 0
    assert "neither" in capsys.readouterr().out
    lossy = "<domain><name>a</name><uuid>u</uuid><devices><disk type='file'/></devices></domain>"
    (tmp_path / "lossy.xml").write_text(lossy)
    assert main(tmp_path) == 1
    assert "lossy.xml" in capsys.readouterr().out
