"""NVIDIA's UFM on the loopback, over TLS, that can be made to misbehave.

Its documents have the shapes of the UFM Enterprise REST API guide (PKey GUIDs).
"""

import ssl

from tests.fakes.rest import FakeService

PKEYS = "/ufmRest/resources/pkeys"
VERSION = "/ufmRest/app/ufm_version"
FIRST, SECOND = "0c42a10300abcd01", "0c42a10300abcd02"


def port(guid: str, membership: object = "full") -> dict[str, object]:
    """Return an entry of a partition's list of ports."""
    return {"guid": guid, "membership": membership, "index0": False}


def partition(name: object, *ports: dict[str, object]) -> dict[str, object]:
    """Return an entry of the list of partitions."""
    return {"partition": name, "ip_over_ib": True, "guids": list(ports)}


class FakeUfm(FakeService):
    """Serves two partitions, one for each of two ports, beside the one of all."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(context)
        self.documents = {
            VERSION: {"ufm_release_version": "6.19.3"},
            PKEYS: {
                "0x7fff": partition("management", port(FIRST, "limited"), port(SECOND, "limited")),
                "0x1": partition("acme", port(FIRST)),
                "0x2": partition("globex", port(SECOND)),
            },
        }
