"""The `ndfc` section of the configuration."""

import pytest

from hostcollector.base.errors import ConfigError
from hostcollector.config.files import read_bytes
from hostcollector.config.services import NdfcSettings
from hostcollector.config.settings import Settings

WHOLE = b"""
ndfc:
  url: https://ndfc.example/
  user: reader
  domain: radius
  password_file: /etc/hostcollector/ndfc-password
  ca_file: /etc/hostcollector/ndfc.pem
  fabrics: [dc1]
  switches: [leaf1, 9NN7E41N16A]
  cluster: west
  interval_seconds: 300
"""


def test_all_keys() -> None:
    """Every key arrives where it belongs."""
    assert read_bytes(WHOLE, "test", Settings).ndfc == NdfcSettings(
        url="https://ndfc.example:443",
        user="reader",
        domain="radius",
        password_file="/etc/hostcollector/ndfc-password",
        ca_file="/etc/hostcollector/ndfc.pem",
        fabrics=("dc1",),
        switches=("leaf1", "9NN7E41N16A"),
        cluster="west",
        interval_seconds=300,
    )


def test_off_unless_configured() -> None:
    """Without the section, and with an empty one, nothing is asked of a controller."""
    assert read_bytes(b"", "test", Settings).ndfc.url == ""
    assert read_bytes(b"ndfc:\n", "test", Settings).ndfc == NdfcSettings()


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ndfc:8443", "https://ndfc:8443"),
        ("https://10.0.0.1", "https://10.0.0.1:443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
        ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
    ],
)
def test_addresses(url: str, kept: str) -> None:
    """Names and addresses of both kinds, with a port or without."""
    assert read_bytes(f"ndfc: {{url: '{url}', user: u}}".encode(), "test", Settings).ndfc.url == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://ndfc",
        "ndfc",
        "https://",
        "https://a/b",
        "https://u:secret@ndfc",
        "https://ndfc:0",
        "https://a?b",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    """Nothing without TLS and nothing with a path; what might hold a password is not repeated."""
    with pytest.raises(ConfigError, match="expected https://host") as caught:
        read_bytes(f"ndfc: {{url: '{url}', user: u}}".encode(), "test", Settings)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("user: u", "url is missing"),
        ("url: https://ndfc", "user is missing"),
        ("password: secret", "unknown key"),
        ("insecure_skip_verify: 1", "expected true or false"),
        ("interval_seconds: 5", "expected 60 to 86400"),
        ("switches: leaf1", "expected a list"),
    ],
)
def test_mistakes(section: str, problem: str) -> None:
    """Each mistake is named; a password has no place in the configuration."""
    with pytest.raises(ConfigError, match=problem) as caught:
        read_bytes(f"ndfc:\n  {section}\n".encode(), "test", Settings)
    assert "secret" not in str(caught.value)
