"""The commands of the gateway, as a person uses them."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hostcollector.base.errors import ConfigError
from hostcollector.gateway import commands
from hostcollector.gateway.cli import main
from hostcollector.gateway.configuration import checked_settings
from hostcollector.gateway.keys import render
from hostcollector.gateway.settings import GatewaySettings, read_settings
from hostcollector.gateway.usage import commands as usage_commands

ROOT = Path(__file__).parents[3]


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


def test_the_gateway_needs_only_what_its_host_installs() -> None:
    """Of the libraries of a hypervisor none is imported, nor any that lock/gateway.txt leaves out."""
    absent = ("libvirt", "pynvml", "pyroute2", "prometheus_client", "rich")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({absent!r}))\n"
        "import hostcollector.gateway.cli, hostcollector.gateway.serving\n"
        "print(*(name for name in sys.modules if name.startswith('hostcollector.')), sep='\\n')"
    )
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    packages = {name.split(".")[1] for name in loaded}
    assert packages == {"base", "catalogue", "config", "gateway", "web"}
    locked = (ROOT / "lock/gateway.txt").read_text()
    assert not [name for name in ("libvirt-python", "nvidia-ml-py", "pyroute2") if f"{name}==" in locked]


@pytest.mark.parametrize("origin", ["*", "https://a.example/", "console.example", "https://u@a.example"])
def test_an_origin_that_no_browser_sends_is_a_mistake(tmp_path: Path, origin: str) -> None:
    """A pattern or a path would admit more than is meant, or nothing."""
    file = tmp_path / "gateway.yml"
    file.write_text(f"web: {{allowed_origins: ['{origin}']}}\n")
    with pytest.raises(ConfigError, match="no origin"):
        read_settings(file)


def test_secrets_that_are_not_named_are_credentials(tmp_path: Path) -> None:
    """Systemd's directory, or beside the file what the role keeps for root; a file that is named wins."""
    for folder in ("systemd", "credentials", "operator", "intake"):
        (tmp_path / folder).mkdir()
        secret = tmp_path / folder / "database-password"
        secret.write_text(folder)
        secret.chmod(0o600)
    for name, environment, folder in (
        ("gateway.yml", {"CREDENTIALS_DIRECTORY": str(tmp_path / "systemd")}, "systemd"),
        ("gateway.yml", {}, "credentials"),
        ("operator.yml", {}, "operator"),
        ("intake.yml", {}, "intake"),
    ):
        file = tmp_path / name
        file.write_text("log: {level: info}\n")
        found = checked_settings(file, environment).accounts.password_file
        assert found == str(tmp_path / folder / "database-password")
    file = tmp_path / "gateway.yml"
    file.write_text(f"accounts: {{password_file: {tmp_path}/systemd/database-password}}\n")
    assert checked_settings(file, {}).accounts.password_file == f"{tmp_path}/systemd/database-password"


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["serve"], "gateway.yml"),
        (["tenant", "list"], "operator.yml"),
        (["intake", "--once"], "intake.yml"),
        (["ledger", "upgrade"], "intake.yml"),
        (["ledger", "reread", "hv-1:10177"], "intake.yml"),
        (["ledger", "prune"], "operator.yml"),
        (["ledger", "export"], "gateway.yml"),
    ],
)
def test_a_command_takes_the_file_whose_role_may_do_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    file: str,
) -> None:
    """As a runbook has the commands, without --config.file: all three files of the roles are there."""
    for name in ("gateway", "operator", "intake"):
        (tmp_path / f"{name}.yml").write_text("wrong: 1\n")
        for module in (commands, usage_commands):
            constant = {"gateway": "DEPLOYED"}.get(name, name.upper())
            monkeypatch.setattr(module, constant, tmp_path / f"{name}.yml", raising=False)
    assert main(command) == 2
    assert f"{tmp_path / file} cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["0", "-1", "3651", "1e9", "inf", "nan", "soon"])
def test_days_that_have_no_date_are_refused(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A token that ends after all dates would make `token list` fail."""
    with pytest.raises(SystemExit):
        main(["token", "issue", "acme", "--scope=promql", f"--days={days}"])
    assert "at most 3650 days" in capsys.readouterr().err


def test_the_written_list_of_keys_is_current() -> None:
    """GATEWAY_CONFIG.md is what `hostcollector-gateway config --format markdown` prints."""
    written = (ROOT / "hostcollector/GATEWAY_CONFIG.md").read_text()
    assert written == render("markdown"), "run: make config"


def test_every_key_of_the_gateway_has_a_meaning() -> None:
    """Plans included."""
    rows = json.loads(render("json"))
    assert {"limits.concurrency", "plans.NAME.usage", "openid.issuer"} <= {row["key"] for row in rows}
    assert [row["key"] for row in rows if not row["meaning"]] == []


def test_a_configuration_that_the_account_may_not_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defaults would be another gateway: its database is not there, and the error would be about that."""
    (tmp_path / "gateway.yml").touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    options = argparse.Namespace(config_file=None)
    usual = (tmp_path / "operator.yml", tmp_path / "gateway.yml")
    assert commands.file_of(options, *usual) == tmp_path / "gateway.yml"
    assert commands.file_of(options, tmp_path / "none.yml") is None
