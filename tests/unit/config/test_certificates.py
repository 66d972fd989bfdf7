"""When certificates end, compared with what openssl says of the same files."""

import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.config.certificates import LOOK_SECONDS, CertificateFile, Expiries, not_after
from hostcollector.config.services import RedfishSettings
from hostcollector.config.settings import Settings
from hostcollector.config.web_config import TlsServerConfig, WebConfig
from tests.serving import wait

SETTINGS = Settings()


def make(path: Path, days: int) -> float:
    """Make a certificate that ends in so many days; return its end as openssl reads it."""
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    files = ("-keyout", str(path.with_suffix(".key")), "-out", str(path))
    subprocess.run((*new, *files, "-subj", "/CN=x", "-days", str(days)), check=True, capture_output=True)
    shown = subprocess.run(
        ("openssl", "x509", "-in", str(path), "-noout", "-enddate"),
        check=True,
        capture_output=True,
        text=True,
    )
    text = shown.stdout.strip().removeprefix("notAfter=")
    return datetime.strptime(text, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("days", [1, 20_000])
def test_the_end_is_that_which_openssl_reads(tmp_path: Path, days: int) -> None:
    """In both forms of a date: with two digits for the year until 2049, with four from 2050 on."""
    end = make(tmp_path / "one.pem", days)
    assert CertificateFile("x", tmp_path / "one.pem", presented=True).expiry() == end


def test_a_chain_ends_with_its_first_and_authorities_with_their_last(tmp_path: Path) -> None:
    """A chain breaks at its weakest part; of two authorities that overlap the newer one is enough."""
    soon, late = make(tmp_path / "soon.pem", 1), make(tmp_path / "late.pem", 30)
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "late.pem").read_bytes() + b"text\n" + (tmp_path / "soon.pem").read_bytes())
    assert CertificateFile("x", both, presented=True).expiry() == soon
    assert CertificateFile("x", both, presented=False).expiry() == late
    assert CertificateFile("x", tmp_path / "soon.key", presented=True).expiry() is None


def test_the_files_of_both_configurations_are_followed(tmp_path: Path) -> None:
    """A file that cannot be read has no expiry; one that is renewed has its new one at the next look."""
    first = make(tmp_path / "server.pem", 1)
    ca = make(tmp_path / "ca.pem", 3)
    now = 0.0
    expiries = Expiries(lambda: now)
    redfish = RedfishSettings(
        url="https://bmc.example", user="u", password_file="/x", ca_file=str(tmp_path / "ca.pem")
    )
    tls = TlsServerConfig(
        cert_file=str(tmp_path / "server.pem"), key_file="x", client_ca_file=str(tmp_path / "none.pem")
    )
    expiries.follow(Settings(redfish=redfish), WebConfig(tls_server_config=tls))
    wait(lambda: bool(expiries.known()), "no look")
    assert expiries.known() == {"tls_server_config.cert_file": first, "redfish.ca_file": ca}
    second = make(tmp_path / "server.pem", 2)
    now = LOOK_SECONDS
    wait(lambda: expiries.known()["tls_server_config.cert_file"] == second, "no second look")
    expiries.follow(SETTINGS, WebConfig())
    assert expiries.known() == {}
    expiries.close()


@given(st.binary(max_size=200))
def test_hostile_bytes_are_refused(der: bytes) -> None:
    """Whatever a file holds, the answer is a time or `ValueError`."""
    with suppress(ValueError):
        assert not_after(der) >= -(2**36)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_certificate_is_a_time_or_refused(at: int, byte: int) -> None:
    """One wrong byte ends in a time or in `ValueError`, in nothing else."""
    der = bytearray(_DER)
    der[at % len(der)] = byte
    with suppress(ValueError):
        assert isinstance(not_after(bytes(der)), float)


def _element(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content


_DATES = _element(0x17, b"260101000000Z") + _element(0x17, b"270101000000Z")
_FIELDS = (
    _element(0xA0, b"\x02\x01\x02")
    + _element(0x02, b"\x01")
    + 2 * _element(0x30, b"\x06\x01\x01")
    + _element(0x30, _DATES)
)
_DER = _element(0x30, _element(0x30, _FIELDS))


def test_a_certificate_written_by_hand_is_read() -> None:
    """The damaged ones above differ from this valid one."""
    assert not_after(_DER) == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
