"""`/tenants/usage` over real sockets: the ledger's lines by a cursor, for the readers of that path only."""

import asyncio
import gzip
from pathlib import Path

import pytest

from hostcollector.app.site import RecordsView
from hostcollector.catalogue.usage import HourClosed, parse_line
from hostcollector.outputs.tenant_page import PATH as TENANT_PAGE
from hostcollector.outputs.usage import LEDGER_HEADER, PATH
from hostcollector.outputs.usage.ledger import Ledger
from tests.fakes.pages import full_page
from tests.fakes.site import serving
from tests.unit.web.conftest import access_of
from tests.unit.web.test_passwords import HASHES
from tests.unit.web.test_readers import basic

NAME = "0123456789abcdef" * 2


async def view_of(directory: Path, lines: int) -> dict[str, RecordsView]:
    """Return the page of a ledger with so many lines."""
    return {PATH: RecordsView(await asyncio.to_thread(_ledger, directory, lines))}


def _ledger(directory: Path, lines: int) -> Ledger:
    ledger = Ledger(directory)
    ledger.open()
    ledger.name = NAME
    ledger.append(
        [HourClosed(sequence=n, ledger=NAME, hour=1_795_906_800 + 3600 * n) for n in range(1, lines + 1)], 0.0
    )
    return ledger


async def test_lines_come_after_the_cursor(tmp_path: Path) -> None:
    """A reader gets what is newer than its cursor, at most `limit` lines, and the ledger's name."""
    async with serving(None, records=await view_of(tmp_path, 5)) as site:
        reply = await site.client.get(f"{PATH}?after=2&limit=2")
        found = [parse_line(line).sequence for line in (await reply.read()).splitlines()]
        assert (reply.status, found) == (200, [3, 4])
        assert reply.headers["Content-Type"] == "application/x-ndjson"
        assert reply.headers[LEDGER_HEADER] == NAME
        reply = await site.client.get(PATH, headers={"Accept-Encoding": "gzip"})
        assert len(gzip.decompress(await reply.read()).splitlines()) == 5
        reply = await site.client.get(f"{PATH}?after=5")
        assert (reply.status, await reply.read()) == (200, b"")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("after=6", 409),
        ("after=99999999999999999999999999", 400),
        ("after=-1", 400),
        ("after=x", 400),
        ("after=", 400),
        ("after=%D9%A1", 400),
        ("limit=1000000", 400),
        pytest.param(f"limit={'0' * 20}999999999", 400, id="zeros before a limit"),
        pytest.param(f"after={'9' * 5000}", 400, id="5,000 digits"),
        pytest.param(f"after={'0' * 20}{'9' * 5000}", 400, id="zeros and 5,000 digits"),
    ],
)
async def test_wrong_parameters_are_refused(tmp_path: Path, query: str, status: int) -> None:
    """A cursor of another ledger is 409, which a reader must notice; anything that is no number is 400."""
    async with serving(None, records=await view_of(tmp_path, 5)) as site:
        assert (await site.client.get(f"{PATH}?{query}")).status == status


async def test_a_ledger_that_is_not_open_is_no_empty_ledger(tmp_path: Path) -> None:
    """While the disk does not give the ledger its readers get 503, and not "nothing newer"."""
    async with serving(None, records={PATH: RecordsView(Ledger(tmp_path))}) as site:
        assert (await site.client.get(PATH)).status == 503


async def test_bills_have_readers_of_their_own(tmp_path: Path) -> None:
    """The readers of other paths do not read the records, and theirs read nothing else."""
    readers = [{"path": PATH, "users": ["ops"]}, {"path": TENANT_PAGE, "users": ["prometheus"]}]
    access = await asyncio.to_thread(
        access_of, tmp_path, basic_auth_users=HASHES, access={"readers": readers}
    )
    records = await view_of(tmp_path / "state", 5)
    async with serving(full_page(), access=access, records=records) as site:

        async def status(user: str, path: str) -> int:
            return (await site.client.get(path, headers=basic(user))).status

        assert (await status("ops", PATH), await status("prometheus", PATH)) == (200, 403)
        assert (await status("ops", "/metrics"), await status("ops", "/")) == (403, 403)


async def test_a_password_alone_opens_no_bills(tmp_path: Path) -> None:
    """Without an entry in `access.readers` no client reads the records."""
    access = await asyncio.to_thread(access_of, tmp_path, basic_auth_users=HASHES)
    records = await view_of(tmp_path / "state", 5)
    async with serving(full_page(), access=access, records=records) as site:
        assert (await site.client.get(PATH, headers=basic("ops"))).status == 403
