"""What a reload changes for those who are connected, and what it does not: the server's part of it."""

import asyncio
import gc
import shutil
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hostcollector.app.site import CollectorSite
from hostcollector.base.model import Snapshot
from hostcollector.config.settings import Settings
from hostcollector.web.access import AccessRules, Admission, read_access_rules, subject_names
from hostcollector.web.passwords import WAITING, Verdict
from tests.fakes.collector import FakeCollector
from tests.fakes.pages import full_page
from tests.fakes.site import ServedSite, ended, serving, site_of, until
from tests.fakes.snapshots import hypervisor
from tests.unit.web.conftest import Pki, access_of, web_config
from tests.unit.web.test_admission import basic
from tests.unit.web.test_passwords import HASHES, hashed

HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def access(tls: dict[str, Any], tmp_path: Path) -> AccessRules:
    """Return access rules with TLS alone."""
    return access_of(tmp_path, tls_server_config=tls)


async def test_nothing_holds_on_to_the_sites_that_were(access: AccessRules) -> None:
    """After many reloads the last site's collector and snapshot are all that there is."""
    others = _alive(Snapshot)  # of other tests in this process, kept so that no new one takes their place
    known = frozenset(map(id, others))
    async with serving(None) as site:
        for _ in range(20):
            await asyncio.sleep(0)
            collector = FakeCollector(hypervisor())
            site.server.exchange(site_of(collector))
            assert (await site.client.get("/metrics")).status == 200
            assert (await site.client.get("/")).status == 200
            del collector
        gc.collect()
        assert len(_alive(CollectorSite)) == 1
        # That of the fixture, and the last one.
        assert len(_alive(FakeCollector)) == 2
        assert len([snapshot for snapshot in _alive(Snapshot) if id(snapshot) not in known]) == 1


def _alive(kind: type) -> list[Any]:
    """Return all objects of a kind that are reachable in this process."""
    gc.collect()
    return [thing for thing in gc.get_objects() if issubclass(type(thing), kind)]  # no proxies


async def _connected(site: ServedSite, context: ssl.SSLContext | None) -> Any:
    """Return a connection that has been answered once and stays open."""
    reader, writer = await asyncio.open_connection(site.address.host, site.address.port, ssl=context)
    writer.write(HEALTHY)
    assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200 OK")
    return reader, writer


async def _is_answered(connection: Any) -> bool:
    reader, writer = connection
    with suppress(ConnectionError):
        writer.write(HEALTHY)
        return bool(await reader.read(1))
    return False


async def test_an_open_connection_is_out_when_certificates_are_required(
    access: AccessRules, mutual_tls: dict[str, Any], pki: Pki, tmp_path: Path
) -> None:
    """A client without a certificate that is connected gets no further answer after the reload."""
    async with serving(full_page(), access=access) as site:
        connection = await _connected(site, pki.client_context())
        successor = await asyncio.to_thread(_reloaded, tmp_path, access, tls_server_config=mutual_tls)
        site.server.exchange(site_of(site.collector, access=successor))
        assert not await _is_answered(connection)
        connection[1].transport.abort()
        assert (await site.client.get("/metrics", ssl=pki.client_context(pki.client))).status == 200


async def test_a_connection_in_the_clear_is_out_when_tls_comes(
    tls: dict[str, Any], pki: Pki, tmp_path: Path
) -> None:
    """After a reload that brings TLS nothing is said in the clear, on old connections neither."""
    async with serving(full_page()) as site:
        connection = await _connected(site, None)
        polling = await site.connect()
        polling[1].write(HEALTHY[:20])
        await until(lambda: len(site.server._manager.connections) >= 2)
        successor = await asyncio.to_thread(_reloaded, tmp_path, None, tls_server_config=tls)
        site.server.exchange(site_of(site.collector, access=successor))
        assert not await _is_answered(connection)
        with suppress(ConnectionError):
            polling[1].write(HEALTHY[20:])
            assert await ended(polling[0])
        connection[1].transport.abort()
        polling[1].transport.abort()
        assert site.server.urls == (f"https://{site.address}",)
        context = pki.client_context()
        assert (await site.client.get(f"{site.server.urls[0]}/metrics", ssl=context)).status == 200


async def test_a_handshake_begun_before_a_reload_ends_by_the_new_rules(
    access: AccessRules, mutual_tls: dict[str, Any], pki: Pki, tmp_path: Path
) -> None:
    """A client that has begun its handshake when certificates become required gets no answer without one."""
    async with serving(full_page(), access=access) as site:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = pki.client_context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        hello = outgoing.read()
        reader, writer = await site.connect()
        writer.write(hello[:10])
        await until(lambda: len(site.server._clients.handshakes) == 1)
        await asyncio.sleep(0.05)  # for the handshake to have taken its context
        successor = await asyncio.to_thread(_reloaded, tmp_path, access, tls_server_config=mutual_tls)
        site.server.exchange(site_of(site.collector, access=successor))
        writer.write(hello[10:])
        while True:
            incoming.write(await reader.read(65536))
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
        client.write(HEALTHY)
        writer.write(outgoing.read())
        assert await ended(reader)
        writer.close()


async def test_an_authority_that_is_exchanged_in_place_ends_what_it_vouched_for(
    mutual_tls: dict[str, Any], pki: Pki, tmp_path: Path
) -> None:
    """The next request of an old connection is not answered; another pair of the server's ends nothing."""
    await asyncio.to_thread(shutil.copy, pki.authority.file, tmp_path / "clients.pem")
    tls = {**mutual_tls, "client_ca_file": "clients.pem"}
    access = await asyncio.to_thread(access_of, tmp_path, tls_server_config=tls)
    assert access.certificates is not None
    access.certificates._look_seconds = 0.0
    async with serving(full_page(), access=access) as site:
        connection = await _connected(site, pki.client_context(pki.client))
        for name, file in (("tls.key", pki.renewed.key), ("tls.crt", pki.renewed.file)):
            await asyncio.to_thread(shutil.copy, file, tmp_path / name)
        connection[1].write(HEALTHY)
        assert (await connection[0].readuntil(b"ok\n")).startswith(b"HTTP/1.1 200 OK")
        await asyncio.to_thread(shutil.copy, pki.stranger.file, tmp_path / "clients.pem")
        assert not await _is_answered(connection)
        connection[1].transport.abort()
        with pytest.raises(aiohttp.ClientError):
            await site.client.get("/metrics", ssl=pki.client_context(pki.client))


async def test_a_certificate_that_has_expired_opens_nothing_more(
    mutual_tls: dict[str, Any], pki: Pki, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """On an open connection and in a resumed session its end is looked at with each request."""
    given = await asyncio.to_thread(access_of, tmp_path, tls_server_config=mutual_tls)
    now = [0.0]
    admission = Admission(certificates=given.certificates, wall_clock=lambda: now[0])
    access = AccessRules(config=given.config, certificates=given.certificates, admission=admission)
    context = pki.client_context(pki.client)
    async with serving(full_page(), access=access) as site:
        assert (await site.client.get("/metrics", ssl=context)).status == 200
        now[0] = 1e11
        for path in ("/metrics", "/-/healthy"):
            reply = await site.client.get(path, ssl=context)
            assert (reply.status, await reply.text()) == (403, "This certificate has expired.\n")
            assert reply.headers["Connection"] == "close"
        await until(lambda: bool(caplog.records))
    given.close()


def test_names_that_are_no_text_are_passed_over() -> None:
    """A directory name among a certificate's names is no obstacle for the others."""
    directory = ((("commonName", "prometheus"),),)
    names = (("DirName", directory), ("DNS", "prometheus.example"), ("IP Address", "2001:DB8:0::1"))
    assert subject_names({"subjectAltName": names}) == {"prometheus.example", "2001:db8::1"}


async def test_who_was_let_in_stays_in_over_a_reload(tmp_path: Path) -> None:
    """A flood that fills all places right after the reload does not matter to a password that is known."""
    access = await asyncio.to_thread(access_of, tmp_path, basic_auth_users=HASHES)
    async with serving(full_page(), access=access) as site:
        assert (await site.client.get("/metrics", headers=basic("prometheus", "secret"))).status == 200
        successor = await asyncio.to_thread(_reloaded, tmp_path, access, basic_auth_users=HASHES)
        site.server.exchange(site_of(site.collector, access=successor))
        passwords = successor.admission.passwords
        assert passwords is not None
        for queue in (passwords._others, passwords._known_addresses):
            queue.waiting.update(f"192.0.2.{number}" for number in range(WAITING))
        assert (await site.client.get("/metrics", headers=basic("prometheus", "secret"))).status == 200
        assert (await site.client.get("/metrics", headers=basic("ops", "träum"))).status == 429


async def test_a_password_that_was_changed_is_out_at_once(tmp_path: Path) -> None:
    """What was right for the old hash is worth nothing for the new one, and a removed user is unknown."""
    access = await asyncio.to_thread(access_of, tmp_path, basic_auth_users=HASHES)
    async with serving(full_page(), access=access) as site:
        for user, password in (("prometheus", "secret"), ("ops", "träum")):
            assert (await site.client.get("/metrics", headers=basic(user, password))).status == 200
        new = {"prometheus": hashed(b"other")}
        successor = await asyncio.to_thread(_reloaded, tmp_path, access, basic_auth_users=new)
        site.server.exchange(site_of(site.collector, access=successor))
        assert successor.admission.passwords is not None
        for user, old in (("prometheus", b"secret"), ("ops", "träum".encode())):
            said = await successor.admission.passwords.verdict(user, old, f"192.0.2.{len(user)}")
            assert said is Verdict.WRONG


async def test_who_waits_gets_the_answer_of_the_site_that_was_asked() -> None:
    """A scrape that waits for its collection over a reload is answered, the next one by the new site."""
    async with serving(full_page()) as site:
        site.encoder.gate.clear()
        waiting = asyncio.create_task(site.client.get("/metrics"))
        await until(lambda: len(site.collector.budgets) == 1)
        site.server.exchange(site_of(FakeCollector(hypervisor()), settings=Settings()))
        site.encoder.gate.set()
        assert (await waiting).status == 200
        assert (await site.client.get("/metrics")).status == 200
        assert len(site.collector.budgets) == 1


def test_a_list_of_hashes_for_everybody_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A web-config with users that every account may read is served, and the log names it with the fix."""
    file = web_config(tmp_path, basic_auth_users=HASHES)
    for mode, warned in ((0o640, False), (0o644, True)):
        file.chmod(mode)
        read_access_rules(file).close()
        assert ("run `chmod o=`" in caplog.text) is warned


def _reloaded(directory: Path, predecessor: AccessRules | None, **sections: Any) -> AccessRules:
    return read_access_rules(web_config(directory, **sections), predecessor)
