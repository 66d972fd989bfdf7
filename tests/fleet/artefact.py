"""Artefacts of the present source as several versions: the true one, the next, one that cannot start."""

import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import packaging

from tests.fleet.host import Host
from tests.fleet.wheelhouse import REPOSITORY

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
SOURCES = ("hostcollector", "pyproject.toml", "README.md", "LICENSE")
BROKEN = '\n\ndef serve(*_: object) -> int:\n    raise SystemExit("broken on purpose")\n'


def pack(version: str, houses: Iterable[tuple[str, Path]], directory: Path, *, broken: bool = False) -> None:
    """Write the artefacts of one version for several releases (codename, wheelhouse) into a directory.

    A wheelhouse bears its program's name. A broken one passes `check-config` and ends when it is to serve.
    """
    wheel = _wheel(version, directory, broken=broken)
    for codename, house in houses:
        _pack(f"{house.name}-{version}-{codename}-{ARCHITECTURE}", version, house, wheel, directory)


def pack_deb(version: str, host: Host, directory: Path) -> None:
    """Make a packed version's package on a host, with the pip of the hostcollector that runs there."""
    name = f"hostcollector-{version}-{host.release.codename}-{ARCHITECTURE}"
    inside = Path("/var/tmp/package")
    outside = host.root / inside.relative_to("/")
    shutil.copytree(REPOSITORY / ".ci", outside / ".ci")
    units = "ansible/roles/hostcollector/files"
    (outside / units).mkdir(parents=True)
    for unit in (REPOSITORY / units).glob("hostcollector.*"):
        shutil.copy(unit, outside / units)
    with tarfile.open(directory / f"{name}.tar.gz") as packed:
        packed.extractall(outside, filter="data")
    shutil.copytree(
        Path(packaging.__file__).parent, outside / "modules/packaging"
    )  # of the bill of materials
    quick = ("env", "SOURCE_DATE_EPOCH=1", "DPKG_DEB_COMPRESSOR_TYPE=none", f"PYTHONPATH={inside}/modules")
    made = inside / f"{name}.deb"
    command = (
        inside / ".ci/deb",
        "/opt/hostcollector/current/bin/python",
        inside / name,
        inside / "work",
        made,
    )
    host.run(*quick, *map(str, command))
    shutil.copy(outside / made.name, directory)
    _digest(directory / made.name)
    shutil.rmtree(outside)


def _wheel(version: str, directory: Path, *, broken: bool) -> Path:
    source = directory / f"source-{version}"
    source.mkdir(parents=True)
    for name in SOURCES:
        original = REPOSITORY / name
        if original.is_dir():
            shutil.copytree(original, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(original, source / name)
    init = source / "hostcollector/__init__.py"
    init.write_text(re.sub(r'(?m)^__version__ = ".*"$', f'__version__ = "{version}"', init.read_text()))
    if broken:
        for serving in ("hostcollector/app/collecting.py", "hostcollector/gateway/serving.py"):
            file = source / serving
            file.write_text(file.read_text() + BROKEN)
    command = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps")
    subprocess.run((*command, "-w", str(directory), str(source)), check=True)
    return directory / f"hostcollector-{version}-py3-none-any.whl"


def _pack(name: str, version: str, house: Path, wheel: Path, directory: Path) -> None:
    tree = directory / name
    shutil.copytree(house, tree)
    for replaced in (tree / "wheels").glob("hostcollector-*.whl"):
        replaced.unlink()
    shutil.copy(wheel, tree / "wheels")
    others = re.sub(r"(?m)^hostcollector==.*\n", "", (house / "requirements.txt").read_text())
    digest = sha256(wheel.read_bytes()).hexdigest()
    (tree / "requirements.txt").write_text(f"{others}hostcollector=={version} --hash=sha256:{digest}\n")
    (tree / "VERSION").write_text(f"{version}\n")
    archive = directory / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        packed.add(tree, arcname=name)
    _digest(archive)
    shutil.rmtree(tree)


def _digest(artefact: Path) -> None:
    """Write the file `.sha256` beside an artefact, as sha256sum does."""
    digest = sha256(artefact.read_bytes()).hexdigest()
    artefact.with_name(f"{artefact.name}.sha256").write_text(f"{digest}  {artefact.name}\n")
