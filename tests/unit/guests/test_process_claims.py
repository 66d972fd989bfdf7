"""A command line names a guest by two arguments, or no guest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.guests.process_claims import identity_of
from tests.fakes.guests import A


@pytest.mark.parametrize(
    "command_line",
    [
        b"",
        b"\0",
        b"qemu\0-uuid",
        b"qemu\0-uuid\0not-a-uuid\0-name\0guest=web\0",
        b"qemu\0-uuid\0" + A.encode() + b"\0",
        b"qemu\0-uuid\0" + A.encode() + b"\0-name\0guest=,debug-threads=on\0",
    ],
)
def test_a_command_line_without_both_arguments_names_no_guest(command_line: bytes) -> None:
    """Half an identity is none."""
    assert identity_of(command_line) is None


def test_a_bare_name_and_a_uuid_in_capitals_are_understood() -> None:
    """As other management layers than libvirt write them."""
    assert identity_of(b"qemu\0-uuid\0" + A.upper().encode() + b"\0-name\0web,,1\0") == (A, "web,1")


@given(
    st.lists(
        st.sampled_from([b"-uuid", b"-name", b"guest=web", A.encode(), b"guest=a,,b,c", b""]) | st.binary()
    )
)
def test_any_command_line_names_a_guest_or_none(arguments: list[bytes]) -> None:
    """Whatever processes call themselves, finding the guests goes on."""
    identity = identity_of(b"\0".join(arguments))
    assert identity is None or (len(identity.uuid) == 36 and identity.name)
