"""Prints the bill of materials of a folder of wheels, as CycloneDX 1.6 JSON (ECMA-424).

What it says comes from the wheels' own metadata; the one date in it is SOURCE_DATE_EPOCH.
"""

import json
import os
import sys
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PRODUCT = "hostcollector"


def main(folder: Path) -> None:
    """Write the bill of materials of the wheels in `folder` to standard output."""
    wheels = {name: (metadata, digest) for name, metadata, digest in map(_read, sorted(folder.glob("*.whl")))}
    components = {name: _component(name, metadata, digest) for name, (metadata, digest) in wheels.items()}
    product = {**components.pop(PRODUCT), "type": "application"}
    serial = uuid5(NAMESPACE_URL, "".join(digest for _, digest in wheels.values()))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC).isoformat(),
            "component": product,
        },
        "components": list(components.values()),
        "dependencies": [
            {"ref": _reference(metadata), "dependsOn": _needs(metadata, wheels)}
            for metadata, _ in wheels.values()
        ],
    }
    json.dump(document, sys.stdout, indent=2)
    print()


def _read(wheel: Path) -> tuple[str, Message, str]:
    """Return a wheel's name, its metadata and its SHA-256."""
    with ZipFile(wheel) as archive:
        inside = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = BytesParser().parsebytes(archive.read(inside))
    return canonicalize_name(metadata["Name"]), metadata, sha256(wheel.read_bytes()).hexdigest()


def _component(name: str, metadata: Message, digest: str) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _reference(metadata),
        "name": name,
        "version": metadata["Version"],
        "purl": _reference(metadata),
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
    if metadata["License-Expression"]:
        component["licenses"] = [{"expression": metadata["License-Expression"]}]
    elif licence := licence_of(metadata):
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def licence_of(metadata: Message) -> str:
    """Return the licence that a wheel names, in one line; empty where it names none."""
    classifiers = metadata.get_all("Classifier", [])
    named = [metadata["License-Expression"] or metadata["License"] or ""]
    named += [
        each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: OSI Approved ::")
    ]
    return next((line.strip() for text in named for line in text.splitlines() if line.strip()), "")


def _needs(metadata: Message, wheels: dict[str, tuple[Message, str]]) -> list[str]:
    """Return the references of what a wheel needs of the others, on the Python that runs this."""
    needed = {
        canonicalize_name(requirement.name)
        for requirement in map(Requirement, metadata.get_all("Requires-Dist", []))
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    return [_reference(wheels[name][0]) for name in sorted(needed & wheels.keys())]


def _reference(metadata: Message) -> str:
    return f"pkg:pypi/{canonicalize_name(metadata['Name'])}@{metadata['Version']}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
