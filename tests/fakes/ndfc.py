"""A fabric controller on the loopback, over TLS, that can be made to misbehave.

Its documents have the shapes that Cisco's Ansible collection keeps as fixtures (CiscoDevNet/ansible-dcnm).
"""

import json
import ssl
from typing import Any

from aiohttp import web

from tests.fakes.rest import PASSWORD, USER, FakeService

BASE = "/appcenter/cisco/ndfc/api/v1/lan-fabric"
VERSION = "/appcenter/cisco/ndfc/api/about/version"


def network(name: str, vni: object, vrf: str, **template: object) -> dict[str, object]:
    """Return an entry of the list of networks, with its template as JSON in a string."""
    inner = {"networkName": name, "segmentId": str(vni), "vrfName": vrf, "vlanId": "", **template}
    return {
        "fabric": "dc1",
        "networkName": name,
        "displayName": name,
        "networkId": vni,
        "vrf": vrf,
        "tenantName": None,
        "networkStatus": "DEPLOYED",
        "networkTemplateConfig": json.dumps(inner),
    }


def vrf(name: str, vni: int) -> dict[str, object]:
    """Return an entry of the list of VRFs."""
    template = {"vrfName": name, "vrfSegmentId": str(vni), "vrfVlanId": "2000"}
    return {"fabric": "dc1", "vrfName": name, "vrfId": vni, "vrfTemplateConfig": json.dumps(template)}


def attachment(name: str, switch: str, vlan: object, **more: object) -> dict[str, object]:
    """Return an entry of a network's list of attachments."""
    return {
        "networkName": name,
        "switchName": switch,
        "switchRole": "leaf",
        "fabricName": "dc1",
        "lanAttachState": "DEPLOYED",
        "isLanAttached": True,
        "portNames": "Ethernet1/13,Ethernet1/14",
        "switchSerialNo": f"SN-{switch}",
        "ipAddress": "10.10.10.217",
        "vlanId": vlan,
        **more,
    }


class FakeNdfc(FakeService):
    """Serves two networks in one VRF to clients that have logged in."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(context)
        self.token = "token-1"
        self.logins: list[dict[str, Any]] = []
        """What each login sent."""
        self.documents = {
            VERSION: {"version": "12.2.1.321", "mode": "LAN"},
            f"{BASE}/rest/control/fabrics": [{"fabricName": "dc1", "fabricType": "Switch_Fabric"}],
            f"{BASE}/rest/top-down/fabrics/dc1/networks": [
                network("acme-web", 30001, "acme"),
                network("storage", "30002", "NA"),
            ],
            f"{BASE}/rest/top-down/fabrics/dc1/vrfs": [vrf("acme", 50001)],
            f"{BASE}/rest/top-down/fabrics/dc1/networks/attachments": [
                {
                    "networkName": "acme-web",
                    "lanAttachList": [
                        attachment("acme-web", "leaf1", 2301),
                        attachment("acme-web", "leaf2", "2401"),
                    ],
                },
                {"networkName": "storage", "lanAttachList": [attachment("storage", "leaf1", 2302)]},
            ],
        }

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer with a document, or a token at the login."""
        if request.path == "/login":
            return await self._login(request)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, text="token expired")
        document = self.documents.get(request.path)
        if document is None:
            return web.Response(status=404, text="Invalid Fabric")
        return web.json_response(document)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        sent = await request.json()
        self.logins.append(sent)
        if sent.get("userName") != USER or sent.get("userPasswd") != PASSWORD:
            return web.json_response({"error": "user authentication failed"}, status=401)
        return web.json_response({"token": self.token, "jwttoken": self.token, "username": "reader"})
