"""Certificates that change while the page is served."""

import asyncio
import logging
import shutil
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostcollector.config.web_config import TlsServerConfig
from hostcollector.web.access import AccessRules
from hostcollector.web.tls import Certificates
from tests.fakes.authority import Certificate
from tests.fakes.pages import full_page
from tests.fakes.site import ServedSite, serving
from tests.unit.web.conftest import Pki


@pytest.fixture
def access(tls: dict[str, Any], tmp_path: Path) -> AccessRules:
    """Return access rules that looks at the files for every client."""
    cert_file, key_file = (str(tmp_path / tls[key]) for key in ("cert_file", "key_file"))
    files = TlsServerConfig(cert_file=cert_file, key_file=key_file)
    return AccessRules(certificates=Certificates(files, look_seconds=0.0))


def put(certificate: Certificate, directory: Path) -> None:
    """Put a certificate in place of the one in use, as tools do it: each file whole, one after the other."""
    for source, name in ((certificate.file, "tls.crt"), (certificate.key, "tls.key")):
        shutil.copy(source, directory / f"{name}.new")
        (directory / f"{name}.new").replace(directory / name)


async def shown(site: ServedSite, pki: Pki) -> bytes:
    """Return the certificate that the server shows to a new client, in DER, after an answer under it."""
    _, writer = connection = await asyncio.open_connection(
        site.address.host, site.address.port, ssl=pki.client_context()
    )
    writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert (await connection[0].read()).startswith(b"HTTP/1.1 200 OK")
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return certificate


def der(certificate: Certificate) -> bytes:
    """Return a certificate in DER."""
    return ssl.PEM_cert_to_DER_cert(certificate.file.read_text())


async def test_a_renewed_certificate_is_shown_to_the_next_client(
    access: AccessRules, pki: Pki, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without restart or reload; the log says that it is in use."""
    caplog.set_level(logging.INFO)
    before, after = await asyncio.to_thread(lambda: (der(pki.server), der(pki.renewed)))
    async with serving(full_page(), access=access) as site:
        assert await shown(site, pki) == before
        await asyncio.to_thread(put, pki.renewed, tmp_path)
        assert await shown(site, pki) == after
    assert [record.getMessage() for record in caplog.records] == ["changed certificates are in use"]


def _garbage(pki: Pki, directory: Path) -> None:
    (directory / "tls.crt").write_text("not a certificate")


def _mismatch(pki: Pki, directory: Path) -> None:
    shutil.copy(pki.renewed.file, directory / "tls.crt")


def _gone(pki: Pki, directory: Path) -> None:
    (directory / "tls.key").unlink()


def _open_to_all(pki: Pki, directory: Path) -> None:
    (directory / "tls.key").chmod(0o644)


@pytest.mark.parametrize("damage", [_garbage, _mismatch, _gone, _open_to_all])
async def test_a_broken_renewal_keeps_the_old_certificate(
    damage: Callable[[Pki, Path], None],
    access: AccessRules,
    pki: Pki,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Files that cannot be used are logged once, not for each client; repaired ones are used."""
    before, after = await asyncio.to_thread(lambda: (der(pki.server), der(pki.renewed)))
    async with serving(full_page(), access=access) as site:
        await asyncio.to_thread(damage, pki, tmp_path)
        assert [await shown(site, pki) for _ in range(5)] == [before] * 5
        (complaint,) = [record.getMessage() for record in caplog.records]
        assert complaint.startswith("reading the changed certificates failed: tls_server_config.")
        assert complaint.endswith("; the old ones stay in use")
        await asyncio.to_thread(put, pki.renewed, tmp_path)
        assert await shown(site, pki) == after


async def test_a_renewal_under_load_loses_no_request(access: AccessRules, pki: Pki, tmp_path: Path) -> None:
    """While certificates change again and again every client is served, under the one or the other."""
    both = await asyncio.to_thread(lambda: {der(pki.server), der(pki.renewed)})
    over = False

    async def scrape() -> set[bytes]:
        found = set()
        while not over:
            found.add(await shown(site, pki))
        return found

    async with serving(full_page(), access=access) as site:
        scrapers = [asyncio.create_task(scrape()) for _ in range(4)]
        for number in range(20):
            await asyncio.to_thread(put, (pki.renewed, pki.server)[number % 2], tmp_path)
            await asyncio.sleep(0.02)
        over = True
        seen = await asyncio.gather(*scrapers)
    assert set().union(*seen) == both


async def test_clients_are_served_while_the_files_are_not_readable(
    access: AccessRules, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that does not answer until the end leaves the known certificate in use."""
    known = await asyncio.to_thread(der, pki.server)
    looking, over = threading.Event(), threading.Event()

    def hang() -> None:
        looking.set()
        over.wait()

    monkeypatch.setattr(access.certificates, "_follow", hang)
    monkeypatch.setattr("hostcollector.web.tls.PATIENCE_SECONDS", 0.05)
    async with serving(full_page(), access=access) as site:
        await asyncio.to_thread(put, pki.renewed, tmp_path)
        try:
            assert [await shown(site, pki) for _ in range(3)] == [known] * 3
            assert looking.is_set()
        finally:
            over.set()
