"""Prints the copyright file of the Debian package: the licence of each wheel in a folder, and all texts."""

import sys
from email.parser import BytesParser
from pathlib import Path
from zipfile import ZipFile

from sbom import PRODUCT, licence_of

_RULE = "=" * 78
_HEAD = """\
hostcollector is under the Apache License 2.0. The package holds these others, as
https://pypi.org has them; libvirt-python is compiled from the source there.
"""


def main(folder: Path) -> None:
    """Write the file to standard output. Raises `SystemExit` for a wheel that names no licence."""
    texts: dict[str, list[str]] = {}
    print(_HEAD)
    for wheel in sorted(folder.glob("*.whl")):
        name, licence, found = _read(wheel)
        if not licence:
            raise SystemExit(f"{wheel.name} names no licence")
        if name != PRODUCT:
            print(f"  {name}: {licence}")
        for text in found or [f"The wheel of {name} holds no text of its licence, {licence}.\n"]:
            texts.setdefault(text.strip(), []).append(name)
    for text, names in sorted(texts.items(), key=lambda each: (PRODUCT not in each[1], each[1])):
        print("", _RULE, ", ".join(dict.fromkeys(names)), _RULE, "", text, sep="\n")


def _read(wheel: Path) -> tuple[str, str, list[str]]:
    """Return a wheel's name and version, its licence, and the texts of the licence that it holds."""
    with ZipFile(wheel) as archive:
        names = sorted(archive.namelist())
        inside = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = BytesParser().parsebytes(archive.read(inside))
        folder = inside.removesuffix("METADATA")
        texts = [
            archive.read(name).decode(errors="replace")
            for name in names
            if name.startswith(
                (f"{folder}licenses/", f"{folder}LICEN", f"{folder}COPYING", f"{folder}NOTICE")
            )
            and not name.endswith("/")
        ]
    product = metadata["Name"] == PRODUCT
    return PRODUCT if product else f"{metadata['Name']} {metadata['Version']}", licence_of(metadata), texts


if __name__ == "__main__":
    main(Path(sys.argv[1]))
