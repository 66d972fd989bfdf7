"""Writes an OCI image as one archive, from root file systems and one description of the image.

oci.py ARCHIVE DESCRIPTION LAYER...: a layer is a tar or a directory, the lowest one first. The same content
gives the same bytes: names are sorted, owners are set, and no date is later than SOURCE_DATE_EPOCH.

The archive is an OCI layout (image-spec 1.1) with a manifest.json in it, which Docker before 25 loads.
"""

import gzip
import io
import json
import os
import sys
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

MEDIA = "application/vnd.oci.image"
# Debian's copyright files stay, because the licences require it. No program reads the others.
LEFT_OUT = ("usr/share/man/", "usr/share/info/", "usr/share/locale/", "usr/share/lintian/", "usr/share/bug/")
DOCUMENTATION = "usr/share/doc/"
ALSO_READ = "/copyright"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is said about an image beside its layers; its file is JSON with these keys."""

    reference: str
    """The name that it is loaded under, such as ``localhost/hostcollector:0.1.0``."""
    architecture: str
    """Go's name of it: amd64 or arm64."""
    user: str
    """``UID:GID`` of its process."""
    owned: tuple[str, ...]
    """The directories that belong to this user; everything else is root's."""
    entrypoint: tuple[str, ...]
    environment: tuple[str, ...]
    annotations: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A part of an image: its bytes and what they are."""

    media: str
    content: bytes

    @property
    def digest(self) -> str:
        """The SHA-256 in hexadecimal."""
        return sha256(self.content).hexdigest()

    @property
    def path(self) -> str:
        """Its place in the layout."""
        return f"blobs/sha256/{self.digest}"

    def descriptor(self, **more: Any) -> dict[str, Any]:
        """Return how others name it (image-spec, descriptor.md)."""
        size = len(self.content)
        return {"mediaType": f"{MEDIA}.{self.media}", "digest": f"sha256:{self.digest}", "size": size, **more}


def main(archive: Path, description: Path, layers: Iterable[Path]) -> None:
    """Write the archive and print the digest of the image's manifest."""
    read = json.loads(description.read_text())
    lists = {name: tuple(read[name]) for name in ("owned", "entrypoint", "environment")}
    said = Description(**{**read, **lists})
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    manifest, blobs, docker = image(said, [layer(path, said, epoch) for path in layers], epoch)
    names = {"org.opencontainers.image.ref.name": said.reference}
    files = {blob.path: blob.content for blob in (*blobs, manifest)}
    files["oci-layout"] = _json({"imageLayoutVersion": "1.0.0"})
    index = {"schemaVersion": 2, "manifests": [manifest.descriptor(annotations=names)]}
    files["index.json"] = _json({**index, "mediaType": f"{MEDIA}.index.v1+json"})
    files["manifest.json"] = _json(docker)
    with archive.open("wb") as output:
        _write(output, files, epoch)
    print(f"sha256:{manifest.digest}")


def layer(source: Path, said: Description, epoch: int) -> bytes:
    """Return a root file system, a tar or a directory, as the tar of a layer."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as written:
        for member, content in sorted(_members(source), key=lambda pair: pair[0].name):
            member.mtime = min(int(member.mtime), epoch)
            owner = said.user if member.name in said.owned else "0:0"
            member.uid, member.gid = map(int, owner.split(":"))
            member.uname = member.gname = ""
            written.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return output.getvalue()


def image(said: Description, tars: list[bytes], epoch: int) -> tuple[Blob, tuple[Blob, ...], Any]:
    """Return the manifest, the blobs that it names, and the same for `docker load`."""
    created = datetime.fromtimestamp(epoch, UTC).isoformat()
    config = {
        "created": created,
        "architecture": said.architecture,
        "os": "linux",
        "config": {
            "User": said.user,
            "Env": list(said.environment),
            "Entrypoint": list(said.entrypoint),
            "Labels": said.annotations,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(tar).hexdigest()}" for tar in tars]},
        "history": [{"created": created, "created_by": "hostcollector's .ci/image"} for _ in tars],
    }
    described = Blob(media="config.v1+json", content=_json(config))
    packed = [Blob(media="layer.v1.tar+gzip", content=gzip.compress(tar, 9, mtime=0)) for tar in tars]
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": described.descriptor(),
        "layers": [blob.descriptor() for blob in packed],
        "annotations": said.annotations,
    }
    docker = [
        {"Config": described.path, "RepoTags": [said.reference], "Layers": [blob.path for blob in packed]}
    ]
    return Blob(media="manifest.v1+json", content=_json(manifest)), (described, *packed), docker


def _members(source: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield what a root file system has: names without a leading ``./``, and the bytes of files.

    Raises `ValueError` for a name that leads out of it.
    """
    for member, content in _in_directory(source) if source.is_dir() else _in_tar(source):
        member.name = member.name.removeprefix("./").rstrip("/")
        if member.name.startswith("/") or ".." in member.name.split("/"):
            raise ValueError(f"{source}: {member.name} leads out of the root file system")
        if member.islnk():  # what it is a second name of may sort behind it, or be left out
            member.type, member.linkname, member.size = tarfile.REGTYPE, "", len(content)
        if member.name and member.name != "." and not _left_out(f"{member.name}/"):
            yield member, content


def _left_out(name: str) -> bool:
    if name.startswith(DOCUMENTATION) and name.count("/") > DOCUMENTATION.count("/") + 1:
        return not name.rstrip("/").endswith(ALSO_READ)
    return name.startswith(LEFT_OUT)


def _in_tar(source: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(source) as opened:
        for member in opened:
            file = opened.extractfile(member) if member.isreg() or member.islnk() else None
            yield member, file.read() if file else b""


def _in_directory(source: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    with closing(tarfile.open(fileobj=io.BytesIO(), mode="w")) as helper:
        for path in source.rglob("*"):
            member = helper.gettarinfo(path, str(path.relative_to(source)))
            yield member, path.read_bytes() if member.isreg() or member.islnk() else b""


def _write(output: BinaryIO, files: dict[str, bytes], epoch: int) -> None:
    with tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as written:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(files[name]), epoch, 0o644
            written.addfile(member, io.BytesIO(files[name]))


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
