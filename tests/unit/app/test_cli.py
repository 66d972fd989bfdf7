"""The command line, as a person uses it."""

import json
import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hostcollector import __version__
from hostcollector.app.cli import checking, main
from hostcollector.app.cli.flags import configuration_loader
from hostcollector.app.cli.parser import make_parser
from hostcollector.base.errors import ConfigError
from hostcollector.base.log import LogFormat, LogLevel
from hostcollector.catalogue import OF_TENANTS
from hostcollector.config import named_files
from hostcollector.config.address import Address
from hostcollector.config.files import open_to_everybody
from hostcollector.config.services import NdfcSettings
from hostcollector.config.settings import PathSettings, Settings
from hostcollector.outputs import tenant_table
from hostcollector.sources import NAMES


def settings(*arguments: str) -> Settings:
    """Return the settings that a command line gives."""
    return configuration_loader(make_parser().parse_args(arguments))().settings


def test_no_command_means_serve() -> None:
    """Without a command the collector serves; flags may come without one."""
    parser = make_parser()
    serve = parser.parse_args(["serve"]).run
    assert parser.parse_args([]).run is serve
    assert parser.parse_args(["--log.level=debug"]).run is serve


def test_flags_may_stand_before_and_after_the_command() -> None:
    """A flag means the same on either side of the command; the later one wins."""
    assert settings("--log.level=debug", "collect", "--log.format=json").log.level is LogLevel.DEBUG
    assert settings("--log.level=debug", "collect", "--log.format=json").log.format is LogFormat.JSON
    assert settings("--log.level=debug", "collect", "--log.level=error").log.level is LogLevel.ERROR


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    """Every flag replaces the value of the file, and the rest of the file holds."""
    file = tmp_path / "config.yml"
    file.write_text(
        "libvirt: {uri: 'qemu:///session', keepalive_count: 9}\nsources: {procfs: off, host: off}\n"
    )
    given = settings(
        f"--config.file={file}",
        "--libvirt.uri=test:///default",
        "--web.listen-address=[::]:80",
        "--web.telemetry-path=/m",
        "--web.config.file=web.yml",
        "--web.systemd-socket",
        "--collector.procfs",
        "--no-collector.netlink",
    )
    assert (given.libvirt.uri, given.libvirt.keepalive_count) == ("test:///default", 9)
    assert (given.web.listen_address, given.web.telemetry_path) == (Address("::", 80), "/m")
    assert (given.web.config_path, given.web.systemd_socket) == (Path("web.yml").absolute(), True)
    assert given.sources == {"procfs": True, "host": False, "netlink": False}


def test_the_loader_reads_the_file_again(tmp_path: Path) -> None:
    """What the file says at the time of a reload counts, also that it has become wrong."""
    file = tmp_path / "config.yml"
    file.write_text("log: {level: warn}")
    load = configuration_loader(make_parser().parse_args(["serve", f"--config.file={file}"]))
    assert load().settings.log.level is LogLevel.WARN
    file.write_text("log: {level: error}")
    assert load().settings.log.level is LogLevel.ERROR
    file.write_text("log: {level: loud}")
    with pytest.raises(ConfigError):
        load()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--web.listen-address=nowhere"],
        ["--web.telemetry-path=metrics"],
        ["--log.level=verbose"],
        ["--log.lev=debug"],
        ["--collector.gpu"],
        ["--libvirt.uri="],
        ["frobnicate"],
        ["check-config"],
        ["metrics", "--format=xml"],
        ["top", "--interval=0"],
        ["top", "--interval=nan"],
        ["top", "--interval=inf"],
        ["collect", "--profile.rounds=0"],
        ["collect", "--libvirt.uri=qemu+ssh://kvm7.example/system"],
    ],
)
def test_wrong_flags_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A flag that does not exist, is abbreviated or has a bad value ends the program with status 2."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["top", "--interval=x"], "argument --interval: expected 0.1 to 3600 seconds, not 'x'"),
        (["collect", "--profile.rounds=x"], "argument --profile.rounds: expected 1 to 10000 rounds, not 'x'"),
        (["collect", "--profile.rounds=1e3"], "expected 1 to 10000 rounds, not '1e3'"),
        (["collect", f"--profile.rounds={'9' * 5000}"], "expected 1 to 10000 rounds"),
        (["collect", f"--profile.rounds=000001{'9' * 5000}"], "expected 1 to 10000 rounds"),
    ],
)
def test_a_wrong_value_is_answered_with_what_is_expected(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never with the name of a function."""
    with pytest.raises(SystemExit):
        main(arguments)
    assert sentence in capsys.readouterr().err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--version gives the version; --help has every command, flag and exit status."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"hostcollector {__version__}\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for word in ("serve", "collect", "diagnose", "check-config", "metrics", "top", "--no-collector.procfs"):
        assert word in text
    assert "exit status:" in text
    assert "(default: 127.0.0.1:10177)" in text


def test_check_config_is_silent_about_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A valid file ends with 0; a wrong one with 2 and every problem on a line of its own."""
    file = tmp_path / "config.yml"
    file.write_text("log: {level: info}")
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: valid\n"
    file.write_text("log: {level: loud}\nlibvrit: {}\n")
    assert main(["check-config", str(file)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"hostcollector: {file} cannot be used:",
        "  log.level: expected one of debug, info, warn, error, not the text 'loud' (line 1)",
        "  libvrit: unknown key; did you mean libvirt? (line 2)",
    ]


def test_check_config_looks_at_tls_and_authentication_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The web-config is checked alone, or as the configuration names it, with the files that it names."""
    file, web = tmp_path / "config.yml", tmp_path / "web-config.yml"
    web.write_text("http_server_config:\n")
    file.write_text(f"web: {{config_file: {web}}}")
    assert main(["check-config", f"--web.config.file={web}"]) == 0
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr().out == f"{web}: valid\n{file}: valid\n{web}: valid\n"
    web.write_text("tls_server_config: {cert_file: gone.crt, key_file: gone.key}\n")
    for arguments in ([f"--web.config.file={web}"], [str(file)]):
        assert main(["check-config", *arguments]) == 2
        assert capsys.readouterr().err.splitlines() == [
            f"hostcollector: {web} cannot be used:",
            f"  tls_server_config.cert_file: {tmp_path}/gone.crt cannot be read: No such file or directory",
            f"  tls_server_config.key_file: {tmp_path}/gone.key cannot be read: No such file or directory",
        ]


def test_check_config_opens_every_file_that_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing files, files that any account may read, and non-certificates are named with their line."""
    file, tenants, password = tmp_path / "config.yml", tmp_path / "tenants.yml", tmp_path / "password"
    password.write_text("secret")
    password.chmod(0o644)
    tenants.write_text("uuids: {a: b}\nnmaes: []")
    (tmp_path / "ca.pem").write_text("no certificate")
    os.mkfifo(tmp_path / "pipe")
    file.write_text(
        f"tenancy:\n  map_file: {tenants}\n"
        f"redfish:\n  url: https://bmc\n  user: u\n  password_file: {password}\n"
        f"  ca_file: {tmp_path}/ca.pem\n  gpu_map_file: {tmp_path}/gone.yml\n"
        f"ufm: {{url: 'https://u', user: u, password_file: {tmp_path}/pipe}}\n"
        f"web: {{config_file: {tmp_path}/web.yml}}\n"
    )
    no_pem = "holds no certificates in PEM (NO_CERTIFICATE_OR_CRL_FOUND)"
    assert main(["check-config", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"hostcollector: {file} cannot be used:",
        f"  web.config_file: {tmp_path}/web.yml cannot be read: No such file or directory (line 10)",
        f"  ufm.password_file: {tmp_path}/pipe cannot be read: not a regular file (line 9)",
        f"  redfish.password_file: {password} {open_to_everybody(password)} (line 6)",
        f"  redfish.ca_file: {tmp_path}/ca.pem {no_pem} (line 7)",
        f"  redfish.gpu_map_file: {tmp_path}/gone.yml cannot be read: No such file or directory (line 8)",
        f"hostcollector: {tenants} cannot be used:",
        "  uuids.a: not a UUID such as 7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55 (line 1)",
        "  nmaes: unknown key; did you mean names? (line 2)",
    ]


def test_check_config_says_which_files_are_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Maps are read too; files of services that are not asked for are not."""
    file, tenants, gpus = tmp_path / "config.yml", tmp_path / "tenants.yml", tmp_path / "gpus.yml"
    tenants.write_text("names: []")
    gpus.write_text("0000:1b:00.0: GPU_SXM_1")
    file.write_text(
        f"tenancy: {{map_file: {tenants}}}\nredfish: {{url: 'https://b', user: u, gpu_map_file: {gpus}}}"
    )
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: valid\n{tenants}: valid\n{gpus}: valid\n"


def test_check_config_says_what_tenants_see(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the tenant page on, it names the clients that read it."""
    file, web = tmp_path / "config.yml", tmp_path / "web-config.yml"
    hashed = "$2y$04$" + "a" * 21 + "u" + "b" * 31
    web.write_text(
        f"basic_auth_users: {{vmagent: {hashed}}}\n"
        "access: {readers: [{path: /tenants/metrics, users: [vmagent]}]}\n"
    )
    file.write_text(f"tenants: {{page: true}}\nweb: {{config_file: {web}}}\n")
    assert main(["check-config", str(file)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"/tenants/metrics: {len(OF_TENANTS)} metrics of each VM with a tenant, for vmagent"
    file.write_text("tenants: {page: true}\n")
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr().out.endswith(
        "with a tenant, for clients on this machine, if there is neither TLS nor a password; else for none\n"
    )


def test_check_config_warns_of_series_that_rules_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dropped series is a choice: what needs it is a warning, and the exit status stays 0."""
    file = tmp_path / "config.yml"
    file.write_text("series: {compatibility_names: false, vcpu_detail: false}\n")
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr().err == ""
    file.write_text("series: {drop: [libvirt_up, libvirt_domain_vcpu_time_seconds_total]}\n")
    assert main(["check-config", str(file)]) == 0
    err = capsys.readouterr().err
    assert "warning: libvirt_up is dropped, but needed by the alert " in err
    assert "libvirt_domain_vcpu_time_seconds_total is dropped, but needed by `hostcollector top`" in err


def host_check(file: Path, *flags: str) -> tuple[int, str]:
    """Run `check-config --host` as a process; return its status and what it writes."""
    command = [sys.executable, "-m", "hostcollector", "check-config", "--host", str(file), *flags]
    found = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return found.returncode, found.stdout + found.stderr


def test_check_config_tries_the_address(tmp_path: Path) -> None:
    """An address that is taken, one that this host does not have, and one that is free."""
    file = tmp_path / "config.yml"
    own = pwd.getpwuid(os.geteuid()).pw_name
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        file.write_text(f"log:\n  level: info\nweb:\n  listen_address: {taken}\n")
        status, text = host_check(file, f"--account={own}")
    assert status == 2
    assert f"  web.listen_address: cannot listen on {taken}: the port is in use; " in text
    file.write_text("web: {listen_address: '192.0.2.1:10177'}")
    assert "this machine has no such address" in host_check(file, f"--account={own}")[1]
    file.write_text("web: {listen_address: '127.0.0.1:0'}")
    assert host_check(file, f"--account={own}") == (0, f"checking as {own}\n{file}: valid\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_check_config_reads_as_the_services_account() -> None:
    """What root can read and the service cannot is a problem; so is an account that does not exist."""
    with TemporaryDirectory(prefix="hostcollector-check-") as name:  # pytest's own folders are root's
        directory = Path(name)
        directory.chmod(0o755)
        file, password, state = directory / "config.yml", directory / "password", directory / "state"
        password.write_text("secret")
        password.chmod(0o600)
        state.mkdir(mode=0o700)
        file.write_text(
            f"web: {{listen_address: '127.0.0.1:0'}}\npaths: {{state_directory: {state}}}\n"
            f"ufm: {{url: 'https://u', user: u, password_file: {password}}}\n"
        )
        assert host_check(file, "--account=root")[0] == 0
        status, text = host_check(file, "--account=daemon")
        assert status == 2
        assert f"ufm.password_file: {password} cannot be read: Permission denied (line 3)" in text
        assert f"paths.state_directory: {state} cannot be written by this account (line 2)" in text
        file.write_text(
            f"web: {{listen_address: '127.0.0.1:0'}}\npaths: {{state_directory: {state}/new/er}}\n"
        )
        text = host_check(file, "--account=daemon")[1]
        assert (
            f"paths.state_directory: {state}/new/er is missing, and this account cannot make it in {state}"
            in text
        )
        assert "there is no account no-such" in host_check(file, "--account=no-such")[1]


def test_check_config_before_the_first_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No complaint about the unit's directory where systemd runs, which makes it; one in a container."""
    units = Path(PathSettings().state_directory)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(checking, "_SYSTEMD_RUNS", tmp_path)
    assert checking._state_problem(units) == ""
    assert "cannot be written by this account" in checking._state_problem(tmp_path)
    monkeypatch.setattr(checking, "_SYSTEMD_RUNS", tmp_path / "none")
    assert str(units) in checking._state_problem(units)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "does not hold a password in one line"),
        (b"\n", "does not hold a password in one line"),
        (b"two\nlines\n", "does not hold a password in one line"),
        (b"x" * 5000, "does not hold a password in one line"),
        (b"s3cret\xff", "is not UTF-8"),
        (b"s3cret\r\n", ""),
    ],
)
def test_a_password_file_is_read_and_not_repeated(tmp_path: Path, content: bytes, problem: str) -> None:
    """One line of text, whatever ends it."""
    file = tmp_path / "password"
    file.write_bytes(content)
    file.chmod(0o600)
    settings = Settings(ndfc=NdfcSettings(url="https://n", user="u", password_file=str(file)))
    found = named_files.problems(settings, tmp_path / "config.yml")
    assert found == ({file: f"ndfc.password_file: {file} {problem}"} if problem else {})


@pytest.mark.parametrize("command", ["serve", "collect", "diagnose"])
def test_every_command_lists_what_is_wrong_with_its_file(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong configuration ends each command with 2 before it opens anything."""
    file = tmp_path / "missing.yml"
    assert main([command, f"--config.file={file}"]) == 2
    assert "cannot be read: No such file or directory" in capsys.readouterr().err


def test_metrics_prints_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    """`metrics` prints the catalogue in the form that is asked for."""
    assert main(["metrics"]) == 0
    assert "libvirt_domain_vcpu_time_seconds_total{" in capsys.readouterr().out
    assert main(["metrics", "--format=json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "libvirt_domain_info"
    assert main(["metrics", "--tenant", "--format=relabel"]) == 0
    assert capsys.readouterr().out == tenant_table.render(tenant_table.TenantFormat.RELABEL)
    with pytest.raises(SystemExit):
        main(["metrics", "--format=relabel"])


def test_every_source_has_its_pair_of_flags() -> None:
    """Each source can be switched on and off by name."""
    for source in NAMES:
        assert settings(f"--collector.{source.name}").sources == {source.name: True}
        assert settings("serve", f"--no-collector.{source.name}").sources == {source.name: False}


def test_help_and_check_config_need_no_c_binding(tmp_path: Path) -> None:
    """The commands that open nothing work where libvirt and the web server are not even installed."""
    file = tmp_path / "config.yml"
    file.write_text("")
    program = (
        "import sys\n"
        "for name in ('libvirt', 'aiohttp', 'prometheus_client', 'rich'):\n"
        "    sys.modules[name] = None\n"
        "from hostcollector.app.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    for arguments in (["check-config", str(file)], ["metrics"], ["--help"]):
        run = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, check=False)
        assert (run.returncode, run.stderr) == (0, b"")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """`hostcollector metrics | head -1` ends quietly."""
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "hostcollector", "metrics"], stdout=write, stderr=subprocess.PIPE
    ) as run:
        os.close(write)
        os.close(read)
        _, errors = run.communicate()
    assert (run.returncode, errors) == (0, b"")


def test_a_wrong_flag_is_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence is not below a list of all flags."""
    with pytest.raises(SystemExit):
        make_parser().parse_args(["top", "--interval=0"])
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("hostcollector top: error: argument --interval")
    assert said[1:] == ["`hostcollector top --help` lists the flags"]
