"""The way to a resource: redirects, packed answers, and links that lead away from the BMC."""

import gzip
import json

import pytest
from aiohttp import web

from tests.fakes.authority import Authority
from tests.fakes.bmc import FakeBmc
from tests.fakes.bmc.baseboard import ENVIRONMENT, SYSTEM
from tests.fakes.bmc.hpe import Server
from tests.fakes.rest import FakeService
from tests.unit.protocols.redfish.answering import series
from tests.unit.protocols.redfish.conftest import Follow, FollowOf
from tests.unit.protocols.rest.polling import answer_of


class Strict(FakeBmc):
    """A BMC that redirects every path to the one with a slash, or without one."""

    slash = True

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer, or say where to ask."""
        if request.path.endswith("/") != self.slash:
            onward = request.path.rstrip("/") + ("/" if self.slash else "")
            return web.Response(status=308, headers={"Location": onward})
        return await super().respond(request)


@pytest.mark.parametrize("slash", [True, False])
def test_a_bmc_that_wants_its_paths_in_one_way(
    authority: Authority, follow_of: FollowOf, *, slash: bool
) -> None:
    """A BMC with and without slashes in its links is read through its redirects, the login included."""
    with Strict(authority.server("strict", "DNS:localhost")) as strict:
        strict.slash = slash
        strict.tree = Server(count=2)
        answer = answer_of(follow_of(strict)())
        assert strict.sessions == {}
    assert series(answer, "3")["power_watts", ()] == 300.0
    assert answer.problems == ()


def test_a_packed_report(bmc: FakeBmc, follow: Follow) -> None:
    """A BMC that packs its reports unasked is read."""
    content = gzip.compress(json.dumps(bmc.baseboard.document(ENVIRONMENT)).encode())

    async def packed(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, headers={"Content-Encoding": "gzip"})

    bmc.misbehave[ENVIRONMENT] = packed
    assert series(answer_of(follow()), "GPU_SXM_1")["power_watts", ()] == 310.5


@pytest.mark.parametrize("link", ["Members@odata.nextLink", "member"])
def test_no_link_leads_away(bmc: FakeBmc, follow: Follow, authority: Authority, link: str) -> None:
    """Neither a next page nor a member is asked for elsewhere: the token stays here."""
    with FakeService(authority.server("other", "DNS:localhost")) as other:
        processors = bmc.baseboard.document(f"{SYSTEM}/Processors")
        assert processors is not None
        if link == "member":
            processors["Members"].append({"@odata.id": f"{other.url}/redfish/v1/x"})
        else:
            processors[link] = f"{other.url}/redfish/v1/x"

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.json_response(processors)

        bmc.misbehave[f"{SYSTEM}/Processors"] = answer
        shown = answer_of(follow())
        assert not other.requests
    assert len(shown.gpus) == 8
    assert any("leads to somewhere else" in problem for problem in shown.problems)


def test_a_report_out_of_a_cache_is_as_old_as_that(bmc: FakeBmc, follow: Follow) -> None:
    """What a cache before the BMC has kept is not shown as of now; what did not lie there is."""
    report = json.dumps(bmc.baseboard.document(ENVIRONMENT))
    bmc.answers(ENVIRONMENT, 200, {"Age": "3000"}, text=report)
    reports, ports, resources = answer_of(follow()).parts
    assert ports.asked_at - reports.asked_at > 2900
    assert resources.asked_at >= ports.asked_at
