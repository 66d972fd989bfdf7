"""The daemon as a process: it serves without libvirt, notifies systemd, reloads, and ends when asked to."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.authority import Authority
from tests.fakes.bmc import FakeBmc
from tests.fakes.rest import USER, keep_password
from tests.serving import NOWHERE, running_daemon, wait


def test_the_page_is_served_without_libvirt(tmp_path: Path) -> None:
    """libvirt_up is 0, the host's own figures are there, the log says so once, and the end is clean."""
    with running_daemon(tmp_path) as daemon:
        pages = [daemon.get("/metrics"), daemon.get("/metrics")]
        assert daemon.get("/-/ready")[0] == 503
        status, html = daemon.get("/")
        assert daemon.end() == 0
    assert all(status == 200 and "libvirt_up 0.0\n" in page for status, page in pages)
    assert "hostcollector_host_cpus_online" in pages[0][1]
    assert "libvirt_domain_info_vstate" not in pages[0][1]
    assert status == 200
    assert "/nonexistent/libvirt-sock-ro" in html
    assert daemon.log.read_text().count("libvirt failed") == 1


def test_a_stuck_libvirt_call_does_not_keep_the_daemon(tmp_path: Path) -> None:
    """SIGTERM ends it although a daemon that never answers holds its calls.

    A scrape is refused meanwhile: a page without guests would end all of their series.
    """
    path, file = tmp_path / "silent", tmp_path / "config.yml"
    file.write_text("collection: {budget_seconds: 1}\n")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen(50)
        with running_daemon(
            tmp_path, f"--config.file={file}", uri=f"qemu+unix:///system?socket={path}"
        ) as daemon:
            answers = [daemon.get("/metrics"), daemon.get("/")]
            assert daemon.end() == 0
    assert answers == [(503, "The first listing of guests is not done yet.\n")] * 2


def test_systemd_is_notified(tmp_path: Path) -> None:
    """READY after the start, WATCHDOG while the loop turns, STOPPING at the end."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(10)
        with running_daemon(tmp_path, notify=str(path)) as daemon:
            messages = systemd.recv(4096).decode() + "\n"
            while messages.count("WATCHDOG=1") < 2:
                messages += systemd.recv(4096).decode() + "\n"
            daemon.end()
            while "STOPPING=1" not in messages:
                messages += systemd.recv(4096).decode() + "\n"
    assert messages.startswith("READY=1\nSTATUS=serving http://127.0.0.1:")


@pytest.mark.parametrize("content", [None, "uuids: {not-a-uuid: acme}", "uuids: {a: !!int b}", "[" * 5000])
def test_a_map_that_cannot_be_used_ends_the_start_with_2(tmp_path: Path, content: str | None) -> None:
    """Also one that is not there: trying again makes neither better, and systemd gets the exit status."""
    file, tenants = tmp_path / "config.yml", tmp_path / "tenants.yml"
    file.write_text(f"tenancy: {{map_file: {tenants}}}\n")
    if content is not None:
        tenants.write_text(content)
    command = [sys.executable, "-m", "hostcollector", "serve", f"--config.file={file}"]
    run = subprocess.run(
        [*command, f"--libvirt.uri={NOWHERE}"], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 2
    assert f"{tenants} cannot be used:" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_map_that_was_broken_does_not_end_the_daemon(tmp_path: Path) -> None:
    """Neither a scrape nor a reload fails for it, and each new mistake in it is logged."""
    file, tenants = tmp_path / "config.yml", tmp_path / "tenants.yml"
    file.write_text(f"tenancy: {{map_file: {tenants}}}\ncollection: {{maximum_age_seconds: 0}}\n")
    tenants.write_text("uuids: {}")
    with running_daemon(tmp_path, f"--config.file={file}") as daemon:
        for mistake in ("!!timestamp", "!!bool"):
            tenants.write_text(f"uuids: {{x: {mistake} abc}}")
            status, page = daemon.get("/metrics")
            assert (status, 'hostcollector_map_stale{map="tenants"} 1.0' in page) == (200, True)
            assert mistake.removeprefix("!!") in daemon.log.read_text()
        daemon.child.send_signal(signal.SIGHUP)
        wait(lambda: "the old configuration stays in use" in daemon.log.read_text(), "the complaint")
        assert daemon.get("/metrics")[0] == 200
        assert daemon.end() == 0


def test_a_wrong_configuration_is_refused_at_start_and_ignored_on_reload(tmp_path: Path) -> None:
    """At the start every mistake ends it with status 2; on SIGHUP the old settings stay in use."""
    file = tmp_path / "config.yml"
    file.write_text("sources: {cgroup: false}\n")
    with running_daemon(tmp_path, f"--config.file={file}") as daemon:
        assert 'source_up{source="cgroup"}' not in daemon.get("/metrics")[1]
        file.write_text("sources: {cgroups: false}\nlibvirt: 7\n")
        daemon.child.send_signal(signal.SIGHUP)
        wait(lambda: "stays in use" in daemon.log.read_text(), "the complaint")
        assert daemon.get("/metrics")[0] == 200
        file.write_text("sources: {cgroup: true}\n")
        daemon.child.send_signal(signal.SIGHUP)
        wait(lambda: 'source_up{source="cgroup"}' in daemon.get("/metrics")[1], "the new settings")
    file.write_text("sources: {cgroups: false}\nlibvirt: 7\n")
    command = [sys.executable, "-m", "hostcollector", "serve", f"--config.file={file}"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert refused.returncode == 2
    assert "sources.cgroups" in refused.stderr
    assert "libvirt" in refused.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "192.0.2.1:{port}"], ids=["in use", "not ours"])
def test_an_address_that_cannot_be_listened_on_is_one_sentence(address: str, tmp_path: Path) -> None:
    """The log names the address and the reason, without a traceback, and the status is 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = address.format(port=taken.getsockname()[1])
        command = [sys.executable, "-m", "hostcollector", "serve", f"--libvirt.uri={NOWHERE}"]
        refused = subprocess.run(
            [*command, f"--web.listen-address={place}"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert refused.returncode == 1
    assert place in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_what_others_lent_is_given_back(tmp_path: Path) -> None:
    """The session at a BMC, of which that has few, is over when the daemon has ended."""
    keep_password(tmp_path / "password")
    with FakeBmc(Authority.new(tmp_path).server("bmc", "DNS:localhost")) as bmc:
        config = tmp_path / "config"
        config.write_text(
            f"redfish: {{url: '{bmc.url}', user: {USER}, password_file: {tmp_path}/password, "
            f"ca_file: {tmp_path}/authority.pem}}\npaths: {{state_directory: {tmp_path}}}\n"
        )
        with running_daemon(tmp_path, f"--config.file={config}") as daemon:
            wait(lambda: "\nhostcollector_host_redfish_up 1" in daemon.get("/metrics")[1], "the BMC's answer")
            assert len(bmc.sessions) == 1
            assert daemon.end() == 0
        assert (bmc.logins, bmc.sessions) == (1, {})


def test_an_open_secret_is_warned_about_at_the_start_and_at_a_reload(tmp_path: Path) -> None:
    """A password that every account on the machine may read is a line in the log each time, with the fix."""
    file, password = tmp_path / "config.yml", tmp_path / "password"
    password.write_text("secret")
    password.chmod(0o644)
    file.write_text(f"ufm: {{url: 'https://127.0.0.1:9', user: u, password_file: {password}}}\n")
    with running_daemon(tmp_path, f"--config.file={file}") as daemon:
        warning = f"ufm.password_file: {password} can be read or written by every account (mode 0644)"
        wait(lambda: daemon.log.read_text().count(warning) == 1, "the warning")
        daemon.child.send_signal(signal.SIGHUP)
        wait(lambda: daemon.log.read_text().count(warning) == 2, "the second warning")
        assert daemon.end() == 0
    assert "chmod o=" in daemon.log.read_text()
