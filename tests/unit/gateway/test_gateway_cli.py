"""The commands of the gateway, as a person uses them."""

from pathlib import Path

import pytest

from hostcollector.gateway.cli import main
from hostcollector.gateway.settings import GatewaySettings, read_settings


def test_check_config_lists_every_problem_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong file names each problem with its line; a right one is called valid."""
    file = tmp_path / "gateway.yml"
    file.write_text("web: {listen_adress: 1}\nstore: {url: 'http://store.example:8428'}\n")
    assert main(["check-config", str(file)]) == 2
    said = capsys.readouterr().err
    assert "did you mean listen_address? (line 1)" in said
    assert "needs https:// (line 2)" in said
    file.write_text("store: {url: 'https://store.example:8428/tenants'}\n")
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: valid\n"


def test_files_that_the_configuration_names_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing certificate is found before the gateway needs it."""
    file = tmp_path / "gateway.yml"
    file.write_text(f"store: {{url: 'https://store', ca_file: {tmp_path}/none.pem}}\n")
    assert main(["check-config", str(file)]) == 2
    assert "store.ca_file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1:8428", "ftp://localhost", "https://user:secret@store", "https://", "http://[::2]/"],
)
def test_a_store_is_reached_with_tls_or_on_this_machine(tmp_path: Path, url: str) -> None:
    """Queries and answers do not cross a network in the clear, and a URL has no password."""
    file = tmp_path / "gateway.yml"
    file.write_text(f"store: {{url: '{url}'}}\n")
    assert main(["check-config", str(file)]) == 2


def test_the_defaults_are_on_loopback() -> None:
    """Without a file nothing is open to a network."""
    settings = read_settings(None)
    assert settings == GatewaySettings()
    assert settings.web.listen_address.host == "127.0.0.1"
    assert settings.store.url.startswith("http://127.0.0.1")


def test_help_has_examples_and_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` says how to begin."""
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert "examples:" in said
    assert "exit status:" in said
