"""Commands by hand beside a daemon whose page has TLS and passwords."""

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

from hostcollector.config.settings import SOCKET_NAME
from tests.serving import NOWHERE, running_daemon, wait
from tests.unit.web.conftest import Pki, web_config
from tests.unit.web.conftest import pki as pki  # noqa: PLC0414 - a fixture of the web side's tests
from tests.unit.web.conftest import tls as tls  # noqa: PLC0414
from tests.unit.web.test_passwords import HASHES


def command(*arguments: str) -> tuple[int, str]:
    """Run a command by hand; return its status and what it prints."""
    words = [sys.executable, "-m", "hostcollector", *arguments]
    found = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
    return found.returncode, found.stdout


def test_commands_need_no_certificate(tls: dict[str, Any], pki: Pki, tmp_path: Path) -> None:
    """They read the daemon over its own socket, and its address is not taken by another program."""
    web = web_config(tmp_path, tls_server_config=tls, basic_auth_users=HASHES)
    file = tmp_path / "config.yml"
    settings = (
        f"paths: {{runtime_directory: {tmp_path}, state_directory: {tmp_path}}}\n"
        f"libvirt: {{uri: '{NOWHERE}'}}\n"
        f"web: {{config_file: {web}, listen_address: '%s'}}\n"
    )
    file.write_text(settings % "127.0.0.1:0")
    flag = f"--config.file={file}"
    with running_daemon(tmp_path, flag, trust=pki.client_context()) as daemon:
        wait((tmp_path / SOCKET_NAME).exists, "no socket")
        assert daemon.get("/metrics")[0] == 401
        selector = 'hostcollector_source_off{source="redfish"}'
        assert command("query", selector, flag) == (0, f"{selector} 1.0\n")
        assert command("query", "hostcollector_certificate_expiry_timestamp_seconds", flag)[0] == 0
        page, report = (command(name, flag) for name in ("collect", "diagnose"))
        assert (page[0], report[0]) == (1, 1)  # libvirt does not answer
        assert "libvirt_up 0.0\n" in page[1]
        assert "redfish          off: redfish.url is not set\n" in report[1]
        file.write_text(settings % daemon.url.removeprefix("https://"))
        own = pwd.getpwuid(os.geteuid()).pw_name
        status, text = command("check-config", "--host", f"--account={own}", str(file))
        assert (status, text) == (0, f"checking as {own}\n{file}: valid\n{web}: valid\n")
