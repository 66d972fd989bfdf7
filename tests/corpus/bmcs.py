"""One Redfish tree: what the reader finds of its GPUs, against a plain account of all its documents.

A tree is a folder with an index.json for each resource, as DMTF's mockups are. It is served by a BMC on the
loopback and read by the real client. A number of the tree counts as shown where the GPU has a reading of that
value, in whatever unit: that is a hint of what is lost, and no proof of what is right.
"""

import json
import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hostcollector.base.errors import SourceError
from hostcollector.config.services import RedfishSettings
from hostcollector.protocols.redfish.client import DEFAULT_LIMITS, RedfishClient
from hostcollector.protocols.redfish.properties import SCALES
from hostcollector.protocols.redfish.values import BmcAnswer
from tests.fakes.authority import Authority
from tests.fakes.bmc import FakeBmc
from tests.fakes.bmc.baseboard import ROOT, Baseboard
from tests.fakes.rest import USER, keep_password

Documents = Mapping[str, dict[str, Any]]

PATIENCE_SECONDS = 120.0
IDENTITY = {"Model": "model", "SerialNumber": "serial", "UUID": "uuid", "FirmwareVersion": "firmware"}
FACTORS = (1.0, 0.01, 1e6, 2.0**20, 2.0**10, 1e3, 1e-3, 1e9)
"""Between a number of the tree and a base unit: percent, MHz, MiB, kilo and milli."""


class Tree(Baseboard):
    """The documents of a folder in place of those of a made-up baseboard."""

    def __init__(self, documents: Documents) -> None:
        super().__init__(count=0)
        self._documents = documents

    def document(self, path: str) -> dict[str, Any] | None:
        """Return what is at a path; None for nothing."""
        return self._documents.get(path.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of one tree."""

    gpus: int
    """How many the tree has."""

    lost: tuple[str, ...] = ()
    """What it says and the reader does not."""

    invented: tuple[str, ...] = ()
    """What the reader says and the tree does not."""

    unshown: Mapping[str, int] = field(default_factory=dict)
    """Properties of the found GPUs whose value no reading has, with how many there are."""

    problems: tuple[str, ...] = ()
    """What the reader itself says that it could not read."""


def documents_below(folder: Path) -> Documents:
    """Return the documents of a tree by their path at the BMC; what is no JSON object is passed over."""
    found = {}
    for file in folder.rglob("index.json"):
        try:
            document = json.loads(file.read_text(errors="replace"))
        except ValueError:
            continue
        if isinstance(document, dict):
            path = "/" + file.parent.relative_to(folder).as_posix()
            path = path if path.startswith("/redfish") else f"{ROOT}{path}"
            found[path.removesuffix("/.").rstrip("/")] = document
    return found


def is_tree(folder: Path) -> bool:
    """Whether a folder is the top of a tree: the service's root is in it."""
    return any(
        (folder / place).is_file() and '"RedfishVersion"' in (folder / place).read_text(errors="replace")
        for place in ("index.json", "redfish/v1/index.json")
    )


def compare(documents: Documents) -> Comparison:
    """Read the tree in both ways."""
    expected = {path: document for path, document in documents.items() if _is_gpu(document)}
    try:
        answer = read(documents)
    except SourceError as error:
        return Comparison(len(expected), lost=(f"everything: {error}",))
    found = {path.rstrip("/"): gpu for path, gpu in answer.gpus.items()}
    lost = [f"{path}: not found" for path in expected if path not in found]
    for path, gpu in found.items():
        said = expected.get(path, {})
        for key, attribute in IDENTITY.items():
            if _told(said.get(key)) and getattr(gpu, attribute) != str(said[key]).strip():
                lost.append(f"{path}: {key} is {said[key]!r}, read as {getattr(gpu, attribute)!r}")
    return Comparison(
        len(expected),
        tuple(lost),
        tuple(f"{path}: no GPU" for path in found if path not in expected),
        _unshown(documents, expected, answer),
        answer.problems,
    )


def read(documents: Documents) -> BmcAnswer:
    """Serve a tree, and return what the real client says after its first round. Raises `SourceError`."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        authority = Authority.new(directory)
        keep_password(directory / "password")
        with FakeBmc(authority.server("bmc", "DNS:localhost"), Tree(documents)) as bmc:
            settings = RedfishSettings(
                url=bmc.url,
                user=USER,
                password_file=str(directory / "password"),
                ca_file=str(authority.file),
            )
            client = RedfishClient(
                settings, limits=replace(DEFAULT_LIMITS, visit_seconds=60.0), environment={}
            )
            client.start()
            try:
                client.settle(PATIENCE_SECONDS)
                return client.current()[0]
            finally:
                client.close()
                client.wait_closed(PATIENCE_SECONDS)


def _is_gpu(document: Mapping[str, Any]) -> bool:
    return document.get("ProcessorType") == "GPU"


def _told(value: object) -> bool:
    return isinstance(value, str) and value.strip() not in ("", "NA", "N/A", "null")


def _unshown(documents: Documents, gpus: Documents, answer: BmcAnswer) -> dict[str, int]:
    """Return the properties with a number that none of the GPU's readings has."""
    missing: Counter[str] = Counter()
    for path, gpu in gpus.items():
        name = str(gpu.get("Id", path.rpartition("/")[2]))
        shown = list(_shown(answer, path))
        for prop, number in _numbers(documents, path, name):
            if not any(math.isclose(number * factor, value) for factor in FACTORS for value in shown):
                missing[prop] += 1
    return dict(missing.most_common())


def _shown(answer: BmcAnswer, path: str) -> Iterator[float]:
    for part in answer.parts:
        readings = part.readings.get(path) or part.readings.get(f"{path}/")
        if readings is not None:
            yield from readings.gauges.values()
            yield from (value / SCALES.get(key[0], 1) for key, value in readings.counters.items())


def _numbers(documents: Documents, path: str, name: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers other than 0 that the tree has of a GPU, each with what it is called."""
    for report in documents.values():
        for entry in report.get("MetricValues") or ():
            prop = str(entry.get("MetricProperty", "")) if isinstance(entry, dict) else ""
            if any(part == name or name in _words(part) for part in prop.split("/")):
                yield from _number(f"report: {_nameless(prop)}", entry.get("MetricValue"))
    for place, document in documents.items():
        below = place.startswith(f"{path}/") and not place.endswith("/Settings")
        if below or ("ReadingType" in document and name in _words(place.rpartition("/")[2])):
            kind = str(document.get("@odata.type", "")).rpartition(".")[2] or "resource"
            yield from _leaves(f"{kind}: ", document)


def _words(text: str) -> set[str]:
    """Return the beginnings of a name at its underscores: HGX_GPU_0_Power has GPU_0 in it, not GPU_01."""
    words = text.split("_")
    return {"_".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)}


def _nameless(prop: str) -> str:
    resource, _, pointer = prop.partition("#")
    return pointer or "/".join(
        "*" if any(c.isdigit() for c in part) else part for part in resource.split("/")
    )


def _leaves(name: str, value: object) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if "@" not in key and key not in ("Links", "Thresholds"):
                yield from _leaves(f"{name}/{key}", inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(name, value)


def _number(name: str, value: object) -> Iterator[tuple[str, float]]:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return
    if math.isfinite(number) and number:
        yield name, number
