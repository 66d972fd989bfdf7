"""What is refused before anything is served: files that cannot be used, each named."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostcollector.base.errors import ConfigError
from hostcollector.web.access import read_access_rules
from tests.unit.web.conftest import Pki, access_of, web_config


def problems(directory: Path, **sections: Any) -> tuple[str, ...]:
    """Return what is wrong with a web-config file and what it names."""
    file = web_config(directory, **sections)
    with pytest.raises(ConfigError) as caught:
        read_access_rules(file)
    assert caught.value.origin == str(file)
    return caught.value.problems


def test_no_file_means_neither_tls_nor_authentication() -> None:
    """Without a web-config there is neither TLS nor a question."""
    access = read_access_rules(None)
    assert (access.scheme, access.certificates, access.headers) == ("http", None, {})


def test_relative_paths_start_at_the_file(tls: dict[str, Any], tmp_path: Path) -> None:
    """As with the exporter toolkit, so that a directory can be moved as a whole."""
    access = access_of(tmp_path, tls_server_config=tls)
    assert access.config.tls_server_config is not None
    assert access.config.tls_server_config.key_file == str(tmp_path / "tls.key")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o666])
def test_a_key_for_everybody_is_refused(mode: int, tls: dict[str, Any], tmp_path: Path) -> None:
    """A key file that every account may read or write is not used, with the fix in the message."""
    (tmp_path / "tls.key").chmod(mode)
    (problem,) = problems(tmp_path, tls_server_config=tls)
    assert problem == (
        f"tls_server_config.key_file: {tmp_path}/tls.key can be read or written by every account "
        f"(mode {mode:04o}): run `chmod o=` on it"
    )


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o440])
def test_a_key_for_owner_and_group_is_in_order(mode: int, tls: dict[str, Any], tmp_path: Path) -> None:
    """The group is how an account reads a key that root owns."""
    (tmp_path / "tls.key").chmod(mode)
    assert access_of(tmp_path, tls_server_config=tls).scheme == "https"


def _absent(_pki: Pki, directory: Path) -> None:
    (directory / "tls.crt").unlink()


def _garbage(_pki: Pki, directory: Path) -> None:
    (directory / "tls.crt").write_text("nothing of use\n")


def _of_another_key(pki: Pki, directory: Path) -> None:
    shutil.copy(pki.renewed.file, directory / "tls.crt")


def _with_a_passphrase(pki: Pki, directory: Path) -> None:
    files = ("-in", str(pki.server.key), "-out", str(directory / "tls.key"))
    command = ("openssl", "pkey", *files, "-aes256", "-passout", "pass:secret")
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("damage", "key", "cause"),
    [
        (_absent, "cert_file", "cannot be read: No such file or directory"),
        (_garbage, "cert_file", "is not PEM that can be used"),
        (_of_another_key, "cert_file", "is not the certificate of the key in"),
        (_with_a_passphrase, "key_file", "has a passphrase"),
    ],
)
def test_a_broken_pair_is_refused(
    damage: Callable[[Pki, Path], None],
    key: str,
    cause: str,
    pki: Pki,
    tls: dict[str, Any],
    tmp_path: Path,
) -> None:
    """The message says which key of the web-config names the file, and what is wrong with it."""
    damage(pki, tmp_path)
    (problem,) = problems(tmp_path, tls_server_config=tls)
    assert problem.startswith(f"tls_server_config.{key}: {tmp_path}/")
    assert cause in problem


def test_all_files_are_looked_at(mutual_tls: dict[str, Any], tmp_path: Path) -> None:
    """Every file that cannot be used is named, not only the first one."""
    (tmp_path / "tls.crt").unlink()
    (tmp_path / "tls.key").chmod(0o644)
    (tmp_path / "ca.pem").write_text("no certificate\n")
    found = problems(tmp_path, tls_server_config={**mutual_tls, "client_ca_file": "ca.pem"})
    assert [problem.partition(":")[0] for problem in found] == [
        "tls_server_config.cert_file",
        "tls_server_config.key_file",
        "tls_server_config.client_ca_file",
    ]


def test_an_authority_that_is_not_there_is_refused(mutual_tls: dict[str, Any], tmp_path: Path) -> None:
    """Without the file no client could be distinguished from another."""
    (problem,) = problems(tmp_path, tls_server_config={**mutual_tls, "client_ca_file": "gone.pem"})
    assert problem == (
        f"tls_server_config.client_ca_file: {tmp_path}/gone.pem cannot be read: No such file or directory"
    )
