"""A proxy between hosts and their BMCs: it serves each BMC under a path of its own, over TLS."""

import ssl

import aiohttp
from aiohttp import web

from tests.fakes.rest import BASIC, FakeService

PREFIX = "/bmc/host17"
TOKEN = "eyJhbGciOi.host17-may-read.c2lnbmF0dXJl"
_FORWARDED = ("X-Auth-Token", "Content-Type")


class FakeProxy(FakeService):
    """Forwards what is below its path to one BMC, for hosts that send its token.

    `logs_in` is whether it logs in at the BMC itself, `rewrites` whether it puts its path into the links of
    answers, as some do.
    """

    def __init__(
        self, context: ssl.SSLContext, bmc: FakeService, *, logs_in: bool = False, rewrites: bool = False
    ) -> None:
        super().__init__(context)
        self._bmc = bmc
        self._logs_in, self._rewrites = logs_in, rewrites
        self.token = TOKEN
        self.strayed: list[str] = []
        """Requested paths that are not below its own."""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Forward a request."""
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, text="no token of this proxy")
        if not request.path.startswith(f"{PREFIX}/"):
            self.strayed.append(request.path)
            return web.Response(status=404)
        headers = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
        if self._logs_in:
            headers["Authorization"] = BASIC
        url = self._bmc.url + request.path_qs.removeprefix(PREFIX)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False, force_close=True)) as session,
            session.request(
                request.method, url, headers=headers, data=await request.read(), allow_redirects=False
            ) as answer,
        ):
            body = await answer.read()
            if self._rewrites:
                body = body.replace(b'"/redfish/v1', f'"{PREFIX}/redfish/v1'.encode())
            kept = {
                name: answer.headers[name]
                for name in ("X-Auth-Token", "Location", "Content-Type")
                if name in answer.headers
            }
            return web.Response(status=answer.status, body=body, headers=kept)
