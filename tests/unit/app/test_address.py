"""Commands that read a collector at an address: certificates, passwords, and flags that make no sense."""

from pathlib import Path
from typing import Any

import pytest

from hostcollector.app.cli import main
from tests.serving import running_daemon
from tests.unit.web.conftest import Pki, web_config
from tests.unit.web.conftest import mutual_tls as mutual_tls  # noqa: PLC0414 - fixtures of the web side's tests
from tests.unit.web.conftest import pki as pki  # noqa: PLC0414
from tests.unit.web.conftest import tls as tls  # noqa: PLC0414
from tests.unit.web.test_passwords import HASHES

COMMANDS = pytest.mark.parametrize("words", [("query", "libvirt_up"), ("top", "--once")])


def test_a_page_is_read_with_certificate_and_password(
    mutual_tls: dict[str, Any], pki: Pki, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`top` and `query` show what the page asks for; without it, the error says what the page answered."""
    web = web_config(tmp_path, tls_server_config=mutual_tls, basic_auth_users=HASHES)
    file, password, wrong = (tmp_path / name for name in ("config.yml", "password", "wrong"))
    file.write_text(f"paths: {{runtime_directory: '', state_directory: {tmp_path}}}\n")
    password.write_text("secret\n")
    wrong.write_text("guess\n")
    flags = (f"--config.file={file}", f"--web.config.file={web}")
    with running_daemon(tmp_path, *flags, trust=pki.client_context(pki.client)) as daemon:
        url = f"--url={daemon.url}"
        trusted = (url, f"--ca-file={pki.authority.file}")
        shown = (*trusted, f"--cert-file={pki.client.file}", f"--key-file={pki.client.key}")
        known = (*shown, "--user=prometheus", f"--password-file={password}")
        unknown = (*shown, "--user=prometheus", f"--password-file={wrong}")
        assert main(["query", "libvirt_up", *known]) == 0
        assert capsys.readouterr().out == "libvirt_up 0.0\n"
        assert main(["top", "--once", *known]) == 0
        assert "0 guests" in capsys.readouterr().out
        for given, sentence in (
            ((url,), "certificate verify failed"),
            (trusted, "certificate required"),
            (shown, "the answer is 401 Unauthorized"),
            (unknown, "the answer is 401 Unauthorized"),
        ):
            for words in (("query", "libvirt_up"), ("top", "--once")):
                assert main([*words, *given]) == 1
                assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--ca-file=x"], "--ca-file is for a collector at an address: give --url"),
        (["--user=x"], "--user is for a collector at an address: give --url"),
        (["--url=https://h", "--key-file=x"], "give --cert-file"),
        (["--url=https://h", "--user=x"], "--user and --password-file belong together"),
        (["--url=https://h", "--password-file=x"], "--user and --password-file belong together"),
        (["--url=https://h", "--cert-file=/none"], "cannot use /none: No such file"),
        (["--url=https://h", "--ca-file=/etc/hostname"], "cannot use /etc/hostname: "),
        (["--url=https://h", "--user=x", "--password-file=/none"], "cannot use /none: No such file"),
    ],
)
@COMMANDS
def test_flags_that_make_no_sense_are_wrong_use(
    words: tuple[str, ...], given: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Flags that need another one, and files that cannot be used, end both commands with a sentence."""
    with pytest.raises(SystemExit) as ended:
        main([*words, *given])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err
