"""The same paths in other spellings: a BMC is read the same, however it writes its links."""

from collections.abc import Callable
from urllib.parse import quote

import pytest

from hostcollector.protocols.redfish.links import address, canonical
from tests.fakes.bmc import Tree
from tests.fakes.bmc.baseboard import Baseboard, Document
from tests.fakes.bmc.gb300 import Gb300
from tests.unit.protocols.redfish.answering import Answered, answer_to, series, spelled


def encoded(path: str) -> str:
    """Return a path with everything encoded that may be."""
    return path.replace("_", "%5F").replace("GPU", "%47PU")


class Forgiving:
    """A tree that knows its documents under every spelling."""

    def __init__(self, tree: Tree, paths: list[str]) -> None:
        self._tree = tree
        self._paths = {canonical(path): path for path in paths}

    def document(self, path: str) -> Document | None:
        """Return what is at a path."""
        return self._tree.document(self._paths.get(canonical(path), path))


def every_path(tree: Tree) -> list[str]:
    """Return the paths of everything that a walk asks for."""
    shown = Answered(tree)
    shown.answer()
    return list(shown.asked)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "slash": lambda path: f"{path}/",
    "slashes": lambda path: path.replace("/Sensors/", "//Sensors/").replace("/Processors/", "//Processors/"),
    "case": str.upper,
    "lower case": str.lower,
    "encoded": encoded,
    "pointer": lambda path: f"{path}#",
    "pointer to all": lambda path: f"{path}#/",
    "whole address": lambda path: f"https://bmc.example{path}",
    "blank": lambda path: f" {path} ",
}


@pytest.mark.parametrize("how", SPELLINGS)
@pytest.mark.parametrize("tree", [Baseboard(count=2, links=2), Gb300()], ids=["baseboard", "node"])
def test_links_in_other_spellings(tree: Tree, how: str) -> None:
    """GPUs, sensors and links are shown as under the plain paths, while reports name the plain ones."""
    plain = answer_to(tree)
    other = answer_to(Forgiving(spelled(tree, SPELLINGS[how]), every_path(tree)))
    assert other.problems == ()
    assert len(other.gpus) == len(plain.gpus)
    for gpu in plain.gpus.values():
        assert series(other, gpu.name).keys() >= {
            key for key in series(plain, gpu.name) if key[0] != "nvlink_up"
        }


PROPERTIES: dict[str, Callable[[str], str]] = {
    "sensor with a pointer": lambda name: name if "#" in name else f"{name}#/Reading",
    "sensor with a slash": lambda name: name if "#" in name else f"{name}/",
    "case": str.upper,
    "pointer without its slash": lambda name: name.replace("#/", "#"),
    "slash behind": lambda name: f"{name}/",
    "slash before the pointer": lambda name: name.replace("#", "/#"),
    "encoded": lambda name: quote(name.partition("#")[0]).replace("_", "%5F") + "#" + name.partition("#")[2],
    "whole address": lambda name: f"https://bmc.example{name}",
}


@pytest.mark.parametrize("how", PROPERTIES)
def test_properties_in_other_spellings(how: str) -> None:
    """A report may write its properties in all these ways."""

    class Other(Baseboard):
        def _found(self, path: str) -> Document | None:
            document = super()._found(path)
            for entry in (document or {}).get("MetricValues", ()):
                entry["MetricProperty"] = PROPERTIES[how](entry["MetricProperty"])
            return document

    answer = answer_to(Other(count=2, links=2))
    assert answer.problems == ()
    shown, plain = series(answer, "GPU_SXM_1"), series(answer_to(Baseboard(count=2, links=2)), "GPU_SXM_1")
    assert {key: value for key, value in shown.items() if key[0] != "nvlink_up"} == {
        key: value for key, value in plain.items() if key[0] != "nvlink_up"
    }


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/redfish/v1/Systems/A B", "/redfish/v1/Systems/A%20B"),
        ("/redfish/v1/Systems/A%20B", "/redfish/v1/Systems/A%20B"),
        ("/x\r\nHost: elsewhere", "/x%0D%0AHost:%20elsewhere"),
        ("/redfish/v1/Chassis/é", "/redfish/v1/Chassis/%C3%A9"),
        ("/redfish/v1/Thermal#/Temperatures/0", "/redfish/v1/Thermal"),
        ("/x\ud800", ""),
        ("relative/path", ""),
        ("http://bmc.example/redfish/v1", ""),
        ("", ""),
    ],
)
def test_what_is_asked_for(path: str, asked: str) -> None:
    """A link becomes a path that can be asked for, whatever characters are in it, or nothing."""
    assert address(path) == asked
