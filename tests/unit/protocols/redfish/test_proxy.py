"""A proxy in front of the BMC: its path is before every request, its token in each."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import web

from hostcollector.catalogue import gpu
from hostcollector.config.services import RedfishSettings
from hostcollector.protocols.redfish.client import RedfishClient
from hostcollector.protocols.redfish.values import PORTS, REPORTS
from tests.fakes.authority import Authority
from tests.fakes.bmc import FakeBmc
from tests.fakes.bmc.baseboard import REPORTS as REPORTS_PATH
from tests.fakes.bmc.baseboard import SYSTEM
from tests.fakes.bmc.proxy import PREFIX, TOKEN, FakeProxy
from tests.fakes.rest import USER, keep_password
from tests.unit.protocols.redfish.conftest import LIMITS, part
from tests.unit.protocols.rest.polling import answer_of, failure_of, polling, wait_until

FIRST = "/Processors/GPU_SXM_1"
Behind = Callable[..., tuple[FakeProxy, RedfishClient]]


@pytest.fixture
def behind(authority: Authority, bmc: FakeBmc, tmp_path: Path) -> Iterator[Behind]:
    """Return what starts a proxy in front of the BMC, and makes a client of it."""
    keep_password(tmp_path / "password")
    keep_password(tmp_path / "token", TOKEN)
    with ExitStack() as stack:

        def made(*, user: str = "", **about: bool) -> tuple[FakeProxy, RedfishClient]:
            context = authority.server("proxy", "DNS:localhost")
            proxy = stack.enter_context(FakeProxy(context, bmc, **about))
            settings = RedfishSettings(
                url=proxy.url + PREFIX,
                user=user,
                password_file=str(tmp_path / "password") if user else None,
                token_file=str(tmp_path / "token"),
                ca_file=str(authority.file),
                interval_seconds=0,
                ports_interval_seconds=0,
            )
            return proxy, RedfishClient(settings, limits=LIMITS, environment={})

        yield made


@pytest.mark.parametrize("rewrites", [False, True])
def test_the_collector_logs_in_through_the_proxy(bmc: FakeBmc, behind: Behind, *, rewrites: bool) -> None:
    """Token and session travel together; links are below the path, and the session is ended there too."""
    proxy, client = behind(user=USER, rewrites=rewrites)
    with polling(client):
        answer = client.current()[0]
        assert len(bmc.sessions) == 1
    assert bmc.sessions == {}
    assert len(answer.gpus) == 8
    readings = next(found for path, found in part(answer, REPORTS).readings.items() if path.endswith(FIRST))
    assert readings.gauges[gpu.POWER, ()] == 310.5
    assert len(part(answer, PORTS).readings) == 8
    assert (answer.problems, proxy.strayed) == ((), [])


def test_the_proxy_logs_in(bmc: FakeBmc, behind: Behind) -> None:
    """Without an account there is no login, and no password on the host."""
    bmc.basic = True
    proxy, client = behind(logs_in=True)
    answer = answer_of(client)
    assert len(answer.gpus) == 8
    assert (bmc.logins, proxy.strayed) == (0, [])


def test_a_refused_token(bmc: FakeBmc, behind: Behind) -> None:
    """A token that the proxy does not take is a failure; neither the error nor the state quotes it."""
    proxy, client = behind()
    proxy.token = "another"
    failure = str(failure_of(client))
    assert "401" in failure
    assert TOKEN not in failure
    assert bmc.requests.total() == 0


def test_a_new_token_is_used(behind: Behind, tmp_path: Path) -> None:
    """The file is read again for each round: a token may be short-lived."""
    proxy, client = behind(user=USER)
    proxy.token = "rotated"
    with polling(client):
        (tmp_path / "token").write_text("rotated\n")
        wait_until(lambda: bool(_gpus(client)))


@pytest.mark.parametrize(
    "link",
    [
        "/redfish/../../host18/redfish/v1/Systems",
        "/redfish/%2e%2e/%2e%2e/host18/redfish/v1/Systems",
        "/redfish/..%2f..%2fhost18/redfish/v1/Systems",
        f"{PREFIX}/%2e%2e/host18/redfish/v1/Systems",
        "/redfish/..%5c..%5chost18",
    ],
)
def test_a_link_out_of_the_path_is_not_followed(behind: Behind, bmc: FakeBmc, link: str) -> None:
    """A hostile BMC cannot have the token sent to the proxy's other BMCs."""
    proxy, client = behind(user=USER)
    report = bmc.baseboard.document(REPORTS_PATH)
    assert report is not None
    report["Members"].append({"@odata.id": link})

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(report)

    bmc.misbehave[REPORTS_PATH] = answer
    answered = answer_of(client)
    assert len(answered.gpus) == 8
    assert all(path.startswith(f"{PREFIX}/") and ".." not in path for path in proxy.requests)


@pytest.mark.parametrize("location", ["/redfish/v1/Systems", f"{PREFIX}/redfish/v1/Systems"])
def test_a_redirect_stays_below_the_path(behind: Behind, bmc: FakeBmc, location: str) -> None:
    """A redirect that the proxy passes on unchanged leads to the BMC, with and without the path."""
    proxy, client = behind(user=USER)
    bmc.answers(f"{SYSTEM}/Old", 308, headers={"Location": location})
    systems = {"Members": [{"@odata.id": SYSTEM}, {"@odata.id": f"{SYSTEM}/Old"}], "@odata.id": "x"}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(systems)

    bmc.misbehave["/redfish/v1/Systems"] = answer
    assert len(answer_of(client).gpus) == 8
    assert proxy.requests[f"{PREFIX}/redfish/v1/Systems"] >= 2
    assert proxy.strayed == []


def _gpus(client: RedfishClient) -> int:
    try:
        return len(client.current()[0].gpus)
    except Exception:  # noqa: BLE001 - no answer yet
        return 0
