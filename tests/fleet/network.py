"""The fleet's network: a bridge in the network namespace that `make fleet` runs in, which ends with it."""

import subprocess

BRIDGE = "fleet"
PREFIX = "10.77.0"
"""Addresses that mean something in this namespace only."""


def make() -> None:
    """Make the bridge and switch on the loopback interface."""
    for command in (
        ("link", "set", "lo", "up"),
        ("link", "add", BRIDGE, "type", "bridge"),
        ("address", "add", f"{PREFIX}.1/24", "dev", BRIDGE),
        ("link", "set", BRIDGE, "up"),
    ):
        subprocess.run(("ip", *command), check=True)


def address(number: int) -> str:
    """Return the address of the host with this number."""
    return f"{PREFIX}.{number}"
