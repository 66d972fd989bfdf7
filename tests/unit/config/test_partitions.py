"""The sections `infiniband` and `ufm` of the configuration."""

import pytest

from hostcollector.base.errors import ConfigError
from hostcollector.config.files import read_bytes
from hostcollector.config.services import PartitionSettings, UfmSettings
from hostcollector.config.settings import Settings

WHOLE = b"""
infiniband:
  partitions:
    - pkey: 0x8001
      name: acme
      full: [0c:42:a1:03:00:ab:cd:ef, 0011223344560200]
      limited: ['0x506e4b0300000001']
    - pkey: "0x7fff"
      name: management
ufm:
  url: https://ufm.example
  user: reader
  password_file: /etc/hostcollector/ufm-password
  ca_file: /etc/hostcollector/ufm.pem
  interval_seconds: 300
"""


def test_all_keys() -> None:
    """Every key arrives where it belongs; GUIDs that look like numbers are GUIDs."""
    settings = read_bytes(WHOLE, "test", Settings)
    assert settings.infiniband.partitions == (
        PartitionSettings(
            pkey=1,
            name="acme",
            full=("0c:42:a1:03:00:ab:cd:ef", "00:11:22:33:44:56:02:00"),
            limited=("50:6e:4b:03:00:00:00:01",),
        ),
        PartitionSettings(pkey=0x7FFF, name="management"),
    )
    assert settings.ufm == UfmSettings(
        url="https://ufm.example:443",
        user="reader",
        password_file="/etc/hostcollector/ufm-password",
        ca_file="/etc/hostcollector/ufm.pem",
        interval_seconds=300,
    )


def test_off_unless_configured() -> None:
    """Without the sections, and with empty ones, nothing is known and no service is asked."""
    assert read_bytes(b"infiniband:\nufm:\n", "test", Settings) == Settings()
    assert Settings().ufm.url == ""


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("name: acme", "pkey is missing"),
        ("pkey: 1", "infiniband.partitions.0..pkey: expected a P_Key such as 0x8001"),
        ("pkey: 0x8000", "expected a P_Key"),
        ("{pkey: 0x1, full: [0c42a1]}", "full.0.: expected a GUID of 16 hexadecimal digits"),
        ("{pkey: 0x1, full: [[]]}", "expected a GUID"),
        ("{pkey: 0x1, full: ['0000000000000000']}", "expected a GUID"),
        ("{pkey: 0x1, full: 0c42a10300abcdef}", "expected a list"),
        ("{pkey: 0x1, tenant: acme}", "unknown key"),
        (
            "{pkey: 0x1, full: [0c42a10300abcdef], limited: [0x0c42a10300abcdef]}",
            "both a full and a limited member: 0c:42:a1:03:00:ab:cd:ef",
        ),
        ("pkey: 0x1\n    - pkey: 0x8001", "given twice: 0x0001"),
    ],
)
def test_mistakes_in_partitions(entry: str, problem: str) -> None:
    """Each mistake is named with its place."""
    with pytest.raises(ConfigError, match=problem):
        read_bytes(f"infiniband:\n  partitions:\n    - {entry}\n".encode(), "test", Settings)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("user: u", "url is missing: the address of the fabric's manager"),
        ("url: https://ufm", "user is missing"),
        ("url: http://ufm", "expected https://host"),
        ("password: secret", "unknown key"),
        ("interval_seconds: 5", "expected 60 to 86400"),
    ],
)
def test_mistakes_about_the_manager(section: str, problem: str) -> None:
    """Each mistake is named; a password has no place in the configuration."""
    with pytest.raises(ConfigError, match=problem) as caught:
        read_bytes(f"ufm:\n  {section}\n".encode(), "test", Settings)
    assert "secret" not in str(caught.value)
