"""A fabric controller on the loopback, over TLS, that can be made to misbehave; a thread of the test.

Its documents have the shapes that Cisco's Ansible collection keeps as fixtures (CiscoDevNet/ansible-dcnm).
"""

import asyncio
import json
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Self

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

BASE = "/appcenter/cisco/ndfc/api/v1/lan-fabric"
VERSION = "/appcenter/cisco/ndfc/api/about/version"
PASSWORD = "correct-horse-battery"


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


class FakeNdfc:
    """Serves two networks in one VRF until the context ends. `misbehave` changes what a path answers."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._serving = threading.Event()
        self._stop = asyncio.Event()
        self.port = 0
        self.token = "token-1"
        self.requests: Counter[str] = Counter()
        """How often each path was asked."""
        self.logins: list[dict[str, Any]] = []
        """What each login sent."""
        self.misbehave: dict[str, Answer] = {}
        """What a path does instead of answering."""
        self.documents: dict[str, Any] = {
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

    @property
    def url(self) -> str:
        """Where it listens, by name."""
        return f"https://localhost:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._serving.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def answers(
        self, path: str, status: int, headers: Mapping[str, str] | None = None, text: str = ""
    ) -> None:
        """Let a path answer with a status."""

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers=headers, text=text)

        self.misbehave[path] = answer

    def hangs(self, path: str) -> None:
        """Let a path never answer."""

        async def answer(_: web.Request) -> web.StreamResponse:
            await self._stop.wait()
            return web.Response()

        self.misbehave[path] = answer

    def drips(self, path: str, chunk: bytes, pause: float) -> None:
        """Let a path answer without an end, so much at a time."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            with suppress(ConnectionResetError):  # enough for the client
                while not self._stop.is_set():
                    await response.write(chunk)
                    await asyncio.sleep(pause)
            return response

        self.misbehave[path] = answer

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._context).start()
        self.port = runner.addresses[0][1]
        self._serving.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests[request.path] += 1
        if request.path in self.misbehave:
            return await self.misbehave[request.path](request)
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
        if sent.get("userName") != "reader" or sent.get("userPasswd") != PASSWORD:
            return web.json_response({"error": "user authentication failed"}, status=401)
        return web.json_response({"token": self.token, "jwttoken": self.token, "username": "reader"})
