"""Addresses to listen on, and database servers' addresses as Open vSwitch writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.config.address import (
    Address,
    Remote,
    Transport,
    parse_address,
    parse_remote,
    parse_remotes,
)


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("unix:/run/openvswitch/db.sock", Remote(Transport.UNIX, path="/run/openvswitch/db.sock")),
        ("tcp:127.0.0.1:6640", Remote(Transport.TCP, host="127.0.0.1", port=6640)),
        ("ssl:[2001:db8::1]:6642", Remote(Transport.TLS, host="2001:db8::1", port=6642)),
        ("ssl:ovn.example.org:6642", Remote(Transport.TLS, host="ovn.example.org", port=6642)),
    ],
)
def test_remotes_are_read_and_written(text: str, remote: Remote) -> None:
    """Every form is read into its parts and written as it was."""
    assert parse_remote(text) == remote
    assert str(remote) == text


def test_a_cluster_has_several() -> None:
    """Commas separate the members; spaces around them do not count."""
    members = parse_remotes("ssl:192.0.2.1:6642, ssl:192.0.2.2:6642")
    assert [member.host for member in members] == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix:",
        "unix:db.sock",
        "/run/db.sock",
        "tcp:6640",
        "tcp::6640",
        "tcp:host:0",
        "ssl:host",
        "ptcp:6640:",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    """A relative path, a missing host or port and unknown transports are errors that say what to write."""
    with pytest.raises(ValueError, match=r"write|port"):
        parse_remote(text)


@given(st.text(max_size=60))
def test_no_text_raises_anything_but_a_value_error(text: str) -> None:
    """Whatever is written is a list of remotes that reads back the same, or an error."""
    try:
        remotes = parse_remotes(text)
    except ValueError:
        return
    assert parse_remotes(",".join(map(str, remotes))) == remotes


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:10177", Address("127.0.0.1", 10177)),
        ("localhost:0", Address("localhost", 0)),
        ("hv-1.example.org:80", Address("hv-1.example.org", 80)),
        ("[::1]:10177", Address("::1", 10177)),
        ("[0::0]:1", Address("::", 1)),
        (":10177", Address("", 10177)),
    ],
)
def test_addresses_are_read_and_written(text: str, address: Address) -> None:
    """The three forms of an address are understood, and what is written can be read again."""
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10177",
        "host",
        "host:",
        "host:http",
        "host:65536",
        "host:-1",
        "host:٣",
        "::1:80",
        "[host]:80",
        "a b:1",
        "http://a:1",
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    """What is not an address is refused with the forms that are."""
    with pytest.raises(ValueError, match=r"host:port|brackets"):
        parse_address(text)
