"""The `redfish` section of the configuration."""

import pytest

from hostcollector.base.errors import ConfigError
from hostcollector.config.files import read_bytes
from hostcollector.config.services import RedfishSettings
from hostcollector.config.settings import Settings

WHOLE = b"""
redfish:
  url: https://bmc.example/
  user: reader
  password_file: /etc/hostcollector/bmc-password
  ca_file: /etc/hostcollector/bmc.pem
  insecure_skip_verify: false
  interval_seconds: 30
  ports_interval_seconds: 600
  gpu_map_file: /etc/hostcollector/gpus.yml
"""


def test_all_keys() -> None:
    """Every key arrives where it belongs."""
    assert read_bytes(WHOLE, "test", Settings).redfish == RedfishSettings(
        url="https://bmc.example:443",
        user="reader",
        password_file="/etc/hostcollector/bmc-password",
        ca_file="/etc/hostcollector/bmc.pem",
        interval_seconds=30,
        ports_interval_seconds=600,
        gpu_map_file="/etc/hostcollector/gpus.yml",
    )


def test_off_unless_configured() -> None:
    """Without the section, and with an empty one, nothing is asked of a BMC; then every 15 s."""
    assert read_bytes(b"", "test", Settings).redfish.url == ""
    assert read_bytes(b"redfish:\n", "test", Settings).redfish == RedfishSettings()
    assert RedfishSettings().interval_seconds == 15


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("user: u", "url is missing"),
        ("url: https://bmc", "user is missing"),
        ("url: http://bmc", "expected https://host"),
        ("password: secret", "unknown key"),
        ("interval_seconds: 1", "expected 5 to 600"),
        ("url: https://bmc/a/../b", "expected https://host/path"),
        ("url: https://bmc/a?b", "expected https://host/path"),
        ("url: https://u:secret@bmc/a", "without user"),
        ("token_file: /t", "url is missing"),
        ("gpu_map_file: gpus.yml", "expected an absolute path"),
    ],
)
def test_mistakes(section: str, problem: str) -> None:
    """Each mistake is named; a password has no place in the configuration, nor a BMC without TLS."""
    with pytest.raises(ConfigError, match=problem) as caught:
        read_bytes(f"redfish:\n  {section}\n".encode(), "test", Settings)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://proxy/bmc/host17/", "https://proxy:443/bmc/host17"),
        ("https://[2001:db8::1]:8443/a", "https://[2001:db8::1]:8443/a"),
        ("https://proxy/", "https://proxy:443"),
    ],
)
def test_a_proxy_with_a_token(url: str, address: str) -> None:
    """A proxy has a path, and a token in place of an account."""
    settings = read_bytes(f"redfish:\n  url: {url}\n  token_file: /t\n".encode(), "test", Settings).redfish
    assert settings == RedfishSettings(url=address, token_file="/t")
