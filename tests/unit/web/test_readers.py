"""Which client reads which path: the fleet's Prometheus, a store's vmagent, a dashboard."""

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest

from hostcollector.app.site import FreshView
from hostcollector.base.model import Snapshot
from hostcollector.config.web_config import PathReaders
from hostcollector.web.access import AccessRules, Admission
from tests.fakes.pages import full_page
from tests.fakes.site import serving
from tests.unit.web.conftest import access_of
from tests.unit.web.test_passwords import HASHES

SECRETS = {"prometheus": "secret", "ops": "träum"}
TENANTS, METRICS = "/tenants/metrics", "/metrics"


def _page(_snapshot: Snapshot, tenant: str, _asked_at: float) -> bytes:
    return f"of {tenant or 'all'}\n".encode()


FRESH = {TENANTS: FreshView("text/plain", 15.0, _page)}


def basic(user: str) -> dict[str, str]:
    """Return the header of a user with the right password."""
    return {"Authorization": f"Basic {b64encode(f'{user}:{SECRETS[user]}'.encode()).decode()}"}


async def statuses(access: AccessRules) -> dict[tuple[str, str], int]:
    """Return the status of each user's request for each path."""
    async with serving(full_page(), access=access, fresh=FRESH) as site:
        return {
            (user, path): (await site.client.get(path, headers=basic(user))).status
            for user in SECRETS
            for path in (METRICS, TENANTS, "/", "/-/healthy")
        }


async def test_a_password_opens_no_tenants_data(tmp_path: Path) -> None:
    """Without an entry in `access.readers` every user reads the operator's pages, and none the tenants'."""
    found = await statuses(await asyncio.to_thread(access_of, tmp_path, basic_auth_users=HASHES))
    for user in SECRETS:
        assert [found[user, path] for path in (METRICS, TENANTS, "/", "/-/healthy")] == [200, 403, 200, 200]


async def test_a_listed_client_reads_its_path_and_no_other(tmp_path: Path) -> None:
    """The store's vmagent reads the tenant page; the operators' pages stay with the others."""
    readers = [{"path": TENANTS, "users": ["ops"]}]
    found = await statuses(
        await asyncio.to_thread(access_of, tmp_path, basic_auth_users=HASHES, access={"readers": readers})
    )
    assert [found["ops", path] for path in (METRICS, TENANTS, "/", "/-/healthy")] == [403, 200, 403, 200]
    assert [found["prometheus", path] for path in (METRICS, TENANTS, "/")] == [200, 403, 200]


async def test_without_the_rule_every_user_reads_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule about readers alone keeps a user from the tenants' page."""
    monkeypatch.setattr(Admission, "_may_read", lambda *_: True)
    access = await asyncio.to_thread(access_of, tmp_path, basic_auth_users=HASHES)
    assert set((await statuses(access)).values()) == {200}


async def test_a_path_with_readers_is_theirs_alone(tmp_path: Path) -> None:
    """Who is not listed does not read it; the reply says what to change."""
    readers = [{"path": METRICS, "users": ["prometheus"]}]
    access = await asyncio.to_thread(
        access_of, tmp_path, basic_auth_users=HASHES, access={"readers": readers}
    )
    async with serving(full_page(), access=access) as site:
        reply = await site.client.get(METRICS, headers=basic("ops"))
        assert reply.status == 403
        assert await reply.text() == "The web-config file does not list this client for this path.\n"
        assert (await site.client.get(METRICS, headers=basic("prometheus"))).status == 200
        assert (await site.client.get("/", headers=basic("ops"))).status == 200


@pytest.mark.parametrize(
    "path", ["/tenants/metrics/", "/tenants//metrics", "/tenants/../metrics", "/Tenants/x"]
)
async def test_other_spellings_of_a_path_are_other_paths(path: str, tmp_path: Path) -> None:
    """None of them leads to the page."""
    access = await asyncio.to_thread(access_of, tmp_path, basic_auth_users=HASHES)
    async with serving(full_page(), access=access, fresh=FRESH) as site:
        assert (
            await site.client.get(path, headers=basic("ops"))
        ).status != 200 or path == "/tenants/../metrics"


async def test_without_authentication_only_this_machine_reads_it() -> None:
    """On the loopback address the page is open, with the tenant that the request names."""
    async with serving(full_page(), fresh=FRESH) as site:
        reply = await site.client.get(TENANTS)
        assert (reply.status, await reply.text()) == (200, "of all\n")
        assert await (await site.client.get(f"{TENANTS}?tenant=acme")).text() == "of acme\n"
        assert site.collector.ages == [15.0, 15.0]


class Request:
    """What an admission looks at, from any address."""

    path = TENANTS
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed

    def __init__(self, remote: str | None, certificate: dict[str, object] | None = None) -> None:
        self.remote = remote
        self._certificate = certificate

    def get_extra_info(self, name: str) -> object:
        """Return the client's certificate."""
        return self._certificate if name == "peercert" else None


@pytest.mark.parametrize(
    ("remote", "admitted"), [("127.0.0.1", True), ("::1", True), ("192.0.2.7", False), (None, True)]
)
async def test_an_open_page_is_for_this_machine(remote: str | None, *, admitted: bool) -> None:
    """A page without authentication on a network shows no tenant's data; the daemon's own socket does."""
    admission = Admission()
    request = Request(remote)
    if admitted:
        await admission.admit(request, probe=False)  # type: ignore[arg-type]
    else:
        with pytest.raises(Exception, match="Forbidden"):
            await admission.admit(request, probe=False)  # type: ignore[arg-type]
    admission.close()


@pytest.mark.parametrize(("name", "admitted"), [("vmagent.example", True), ("prometheus.example", False)])
async def test_a_certificate_is_a_reader(name: str, *, admitted: bool) -> None:
    """Its names are compared as those of client_allowed_sans are."""
    readers = (PathReaders(path=TENANTS, certificates=("vmagent.example",)),)
    admission = Admission(readers=readers)
    certificate: dict[str, object] = {
        "notAfter": "Jan  1 00:00:00 2099 GMT",
        "subjectAltName": (("DNS", name),),
    }
    request = Request("192.0.2.7", certificate)
    if admitted:
        await admission.admit(request, probe=False)  # type: ignore[arg-type]
    else:
        with pytest.raises(Exception, match="Forbidden"):
            await admission.admit(request, probe=False)  # type: ignore[arg-type]
    admission.close()
