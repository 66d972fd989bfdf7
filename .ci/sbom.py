"""Prints the bill of materials of a folder of wheels, as CycloneDX 1.6 JSON (ECMA-424).

With the root tree of an image, a tar, it also names the Debian packages in it. What it says comes from the
metadata of wheels and packages; the one date in it is SOURCE_DATE_EPOCH.
"""

import json
import os
import sys
import tarfile
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PRODUCT = "hostcollector"


def main(folder: Path, root_tree: Path | None = None) -> None:
    """Print the bill of materials of the wheels in `folder`, and of a root tree's packages."""
    packages = _packages(root_tree) if root_tree else []
    wheels = {name: (metadata, digest) for name, metadata, digest in map(_read, sorted(folder.glob("*.whl")))}
    components = {name: _component(name, metadata, digest) for name, (metadata, digest) in wheels.items()}
    product = {**components.pop(PRODUCT), "type": "application"}
    serial = uuid5(NAMESPACE_URL, "".join(digest for _, digest in wheels.values()) + json.dumps(packages))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC).isoformat(),
            "component": product,
        },
        "components": [*components.values(), *packages],
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


def _packages(root_tree: Path) -> list[dict[str, Any]]:
    """Return a root tree's Debian packages, which .ci/image_packages has recorded in it."""
    with tarfile.open(root_tree) as opened:
        names = sorted(name for name in opened.getnames() if "/var/lib/dpkg/status.d/" in name)
        records = [BytesParser().parse(file) for name in names if (file := opened.extractfile(name))]
    return [
        {
            "type": "library",
            "bom-ref": reference,
            "name": record["Package"],
            "version": record["Version"],
            "purl": reference,
            "hashes": [{"alg": "SHA-256", "content": record["SHA256"]}],
        }
        for record in records
        for reference in [
            f"pkg:deb/debian/{record['Package']}@{quote(record['Version'])}?arch={record['Architecture']}"
        ]
    ]


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
    main(*map(Path, sys.argv[1:]))
