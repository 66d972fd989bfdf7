"""The images' writer gives equal bytes for equal content, and the manifest for Kubernetes is one."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.places import REPOSITORY

WRITER = REPOSITORY / ".ci/oci.py"
DAEMONSET = REPOSITORY / "docs/hostcollector-daemonset.yml"
SCHEMA = REPOSITORY / "tests/fixtures/kubernetes/daemonset-1.37.json"
EPOCH = 1_700_000_000
DESCRIPTION = {
    "reference": "localhost/tiny:1",
    "architecture": "amd64",
    "user": "10177:10177",
    "owned": ["var/lib/tiny"],
    "entrypoint": ["/usr/bin/tiny"],
    "environment": ["PATH=/usr/bin"],
    "annotations": {"org.opencontainers.image.version": "1"},
}


def _write(directory: Path, *layers: Path) -> Path:
    """Write an image of the layers and return its archive."""
    description, archive = directory / "description.json", directory / "image.tar"
    description.write_text(json.dumps(DESCRIPTION))
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    subprocess.run((sys.executable, WRITER, archive, description, *layers), check=True, env=environment)
    return archive


def _tree(root: Path, *, order: int) -> Path:
    """Make the same small root file system, its files in one order or the other, at another time."""
    files = {"usr/bin/tiny": "#!/usr/bin/python3\n", "usr/share/doc/tiny/copyright": "free\n"}
    files |= {"usr/share/doc/tiny/NEWS": "none\n", "usr/share/man/man1/tiny.1": "none\n"}
    (root / "var/lib/tiny").mkdir(parents=True)
    for name, text in sorted(files.items())[::order]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "bin").symlink_to("usr/bin")
    os.link(root / "usr/bin/tiny", root / "usr/bin/a-second-name")
    return root


def _parts(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {member.name: file.read() for member in opened if (file := opened.extractfile(member))}


def _layer(parts: dict[str, bytes], number: int, directory: Path) -> list[tarfile.TarInfo]:
    """Return what a layer has, found as an engine finds it: from the index to the layer's bytes."""
    manifest = _named(parts, json.loads(parts["index.json"])["manifests"][0])
    packed = directory / "layer"
    packed.write_bytes(_bytes(parts, json.loads(manifest)["layers"][number]))
    with tarfile.open(packed, "r:gz") as opened:
        return opened.getmembers()


def _named(parts: dict[str, bytes], descriptor: dict[str, Any]) -> str:
    return _bytes(parts, descriptor).decode()


def _bytes(parts: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    algorithm, digest = descriptor["digest"].split(":")
    content = parts[f"blobs/{algorithm}/{digest}"]
    assert hashlib.sha256(content).hexdigest() == digest
    assert len(content) == descriptor["size"]
    return content


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    """Neither the order in which files were made nor their dates are seen in an image."""
    archives = []
    for order in (1, -1):
        directory = tmp_path / str(order)
        tree = _tree(directory / "tree", order=order)
        os.utime(tree / "usr/bin/tiny", (EPOCH + order + 9, EPOCH + order + 9))
        archives.append(_write(directory, tree).read_bytes())
    assert archives[0] == archives[1]


def test_a_tar_and_a_directory_give_the_same_layer(tmp_path: Path) -> None:
    """Debian's tree comes as a tar with hard links and names like ./bin; the program as a directory."""
    tree = _tree(tmp_path / "tree", order=1)
    packed = tmp_path / "tree.tar"
    with tarfile.open(packed, "w") as written:
        written.add(tree, "./")
    for path in tree.rglob("*"):
        os.utime(path, (EPOCH + 9, EPOCH + 9), follow_symlinks=False)
    with tarfile.open(packed) as opened:
        assert any(member.islnk() for member in opened)
    parts = _parts(_write(tmp_path, packed, tree))
    manifest = json.loads(_named(parts, json.loads(parts["index.json"])["manifests"][0]))
    lower, upper = (_layer(parts, number, tmp_path) for number in (0, 1))
    described = [
        [(member.name, member.type, member.size, member.mode, member.uid) for member in layer]
        for layer in (lower, upper)
    ]
    assert described[0] == described[1]
    assert len(manifest["layers"]) == 2


def test_a_layer_has_no_manual_and_each_file_its_owner(tmp_path: Path) -> None:
    """The licences' texts stay; only the state's directory belongs to the program's account."""
    parts = _parts(_write(tmp_path, _tree(tmp_path / "tree", order=1)))
    members = {member.name: member for member in _layer(parts, 0, tmp_path)}
    assert "usr/share/doc/tiny/copyright" in members
    assert not {"usr/share/doc/tiny/NEWS", "usr/share/man/man1"} & members.keys()
    assert {name for name, member in members.items() if member.uid} == {"var/lib/tiny"}
    assert max(member.mtime for member in members.values()) <= EPOCH


def test_the_configuration_names_what_the_layers_unpack_to(tmp_path: Path) -> None:
    """An engine refuses a layer whose unpacked digest is another; Docker's list names the same files."""
    parts = _parts(_write(tmp_path, _tree(tmp_path / "tree", order=1)))
    manifest = json.loads(_named(parts, json.loads(parts["index.json"])["manifests"][0]))
    config = json.loads(_bytes(parts, manifest["config"]))
    (listed,) = json.loads(parts["manifest.json"])
    (layer,) = manifest["layers"]
    unpacked = subprocess.run(("gzip", "-dc"), input=_bytes(parts, layer), capture_output=True, check=True)
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(unpacked.stdout).hexdigest()}"]
    assert config["config"]["User"] == "10177:10177"
    assert parts[listed["Config"]] == _bytes(parts, manifest["config"])
    assert [parts[name] for name in listed["Layers"]] == [_bytes(parts, layer)]


def test_a_name_that_leads_out_of_the_root_is_refused(tmp_path: Path) -> None:
    """No archive of others can place a file outside of the container's root."""
    hostile = tmp_path / "hostile.tar"
    with tarfile.open(hostile, "w") as written:
        written.addfile(tarfile.TarInfo("./usr/../../etc/passwd"))
    with pytest.raises(subprocess.CalledProcessError):
        _write(tmp_path, hostile)


def test_the_daemonset_is_what_kubernetes_accepts() -> None:
    """Its own schema of apps/v1, strict: a misspelt field is an error there."""
    schema = json.loads(SCHEMA.read_text())
    manifest = yaml.safe_load(DAEMONSET.read_text())
    jsonschema.validate(manifest, schema)
    manifest["spec"]["template"]["spec"]["hostPid"] = True
    with pytest.raises(jsonschema.ValidationError, match="hostPid"):
        jsonschema.validate(manifest, schema)


def test_the_pod_has_no_privileges() -> None:
    """It runs as an account of its own, and writes its state and its socket only."""
    pod = yaml.safe_load(DAEMONSET.read_text())["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    rights = container["securityContext"]
    assert pod["securityContext"]["runAsUser"] == 10177
    assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)
    assert rights["capabilities"] == {"drop": ["ALL"]}
    written = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert written == {"state", "runtime"}
