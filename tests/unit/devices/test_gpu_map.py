"""The operator's map of GPUs."""

from pathlib import Path

import pytest

from hostcollector.base.errors import ConfigError
from hostcollector.devices.gpu_map import read


def test_addresses_to_names(tmp_path: Path) -> None:
    """Addresses may be quoted or not, also those that YAML would take for numbers, in either case."""
    file = tmp_path / "map"
    file.write_text('"0000:1b:00.0": GPU_SXM_1\n0000:19:00.0: GPU_SXM_2\n0000:3B:00.0: 7\n')
    assert read(file) == {"0000:1b:00.0": "GPU_SXM_1", "0000:19:00.0": "GPU_SXM_2", "0000:3b:00.0": "7"}


def test_an_empty_file_names_none(tmp_path: Path) -> None:
    """A file that is being begun is no mistake."""
    file = tmp_path / "map"
    file.write_text("# none yet\n")
    assert read(file) == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1b:00.0: GPU_SXM_1", "not a PCI address such as 0000:1b:00.0"),
        ("0000:1b:00.0: [a]", "expected the BMC's name of the GPU, not a list"),
        ("0000:1b:00.0:", "expected the BMC's name of the GPU"),
        ("0000:1b:00.0: ~", "expected the BMC's name of the GPU, not nothing"),
        ('0000:1b:00.0: "a\\nb"', "without control characters"),
        ("0000:1b:00.0: !!int abc", "the tag 'tag:yaml.org,2002:int' means nothing here"),
        ("0000:1b:00.0: a\n0000:1B:00.0: b", "given twice, in upper and lower case (line 2)"),
        ("0000:1b:00.0: a\n0000:1b:00.0: b", "given twice"),
        ("0000:1b:00.0: a\n0000:2b:00.0: a", "another address has this name already (line 2)"),
        ("- a", "expected a mapping"),
        ("{", "not valid YAML"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, problem: str) -> None:
    """Each mistake is named with its line; nothing of a wrong map is used."""
    file = tmp_path / "map"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert problem in str(caught.value)
