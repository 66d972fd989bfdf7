"""Checking passwords: right, wrong, and what a flood of wrong ones may cost."""

import asyncio
import threading
import time
from collections.abc import Iterator

import bcrypt
import pytest

from hostcollector.web.passwords import REMEMBERED, WAITING, Passwords, Verdict
from tests.fakes.site import until


def hashed(password: bytes, cost: int = 4) -> str:
    """Return a bcrypt hash that is cheap to check."""
    return bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode()


HASHES = {"prometheus": hashed(b"secret"), "ops": hashed(b"tr\xc3\xa4um", 5)}


class Checks:
    """The real check, counted; with its gate closed it waits."""

    def __init__(self) -> None:
        self.hashes: list[bytes] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, password: bytes, known: bytes) -> bool:
        """Check a password."""
        self.hashes.append(known)
        self.gate.wait()
        return bcrypt.checkpw(password, known)


@pytest.fixture
def checks() -> Checks:
    """Return the count of real checks."""
    return Checks()


@pytest.fixture
def passwords(checks: Checks) -> Iterator[Passwords]:
    """Return the passwords of two users."""
    known = Passwords(HASHES, checks)
    yield known
    checks.gate.set()
    known.close()


@pytest.mark.parametrize(
    ("user", "password", "verdict"),
    [
        ("prometheus", b"secret", Verdict.RIGHT),
        ("ops", b"tr\xc3\xa4um", Verdict.RIGHT),
        ("ops", b"secret", Verdict.WRONG),
        ("prometheus", b"", Verdict.WRONG),
        ("prometheus", b"secret\0", Verdict.WRONG),
        ("Prometheus", b"secret", Verdict.WRONG),
        ("unknown", b"secret", Verdict.WRONG),
    ],
)
async def test_verdicts(user: str, password: bytes, verdict: Verdict, passwords: Passwords) -> None:
    """Only a user's own password is right, and names are exact."""
    assert await passwords.verdict(user, password, "192.0.2.1") is verdict


async def test_long_passwords_are_cut_where_the_tools_cut_them() -> None:
    """Of 72 bytes bcrypt takes note; a longer password is neither an error nor wrong."""
    long = b"x" * 100
    known = Passwords({"user": hashed(long[:72])})
    assert await known.verdict("user", long, "192.0.2.1") is Verdict.RIGHT
    assert await known.verdict("user", long[:71], "192.0.2.1") is Verdict.WRONG
    known.close()


async def test_a_verdict_is_remembered(passwords: Passwords, checks: Checks) -> None:
    """The same user with the same password is checked once, right or wrong."""
    for password in (b"secret", b"guess"):
        said = [await passwords.verdict("prometheus", password, "192.0.2.1") for _ in range(10)]
        assert len(set(said)) == 1
    assert len(checks.hashes) == 2


async def test_an_unknown_user_costs_as_much_as_a_known_one(passwords: Passwords, checks: Checks) -> None:
    """A name that does not exist costs what some user's costs, each time the same: time shows nothing."""
    for number in range(20):
        await passwords.verdict(f"unknown-{number}", b"secret", f"192.0.2.{number}")
    once = list(checks.hashes)
    other = Passwords(HASHES, checks)
    for number in range(20):
        await other.verdict(f"unknown-{number}", b"secret", f"192.0.2.{number}")
    other.close()
    assert checks.hashes == once * 2
    assert set(once) == {hashed.encode() for hashed in HASHES.values()}


async def test_a_flood_is_checked_one_by_one_and_mostly_not_at_all(
    passwords: Passwords, checks: Checks
) -> None:
    """Of 10,000 wrong passwords at once as many are checked as may wait, one for each address."""
    flood = [
        passwords.verdict("prometheus", f"guess {number}".encode(), f"192.0.2.{number % 100}")
        for number in range(10_000)
    ]
    verdicts = await asyncio.gather(*flood)
    assert verdicts.count(Verdict.WRONG) == len(checks.hashes) == WAITING
    assert verdicts.count(Verdict.BUSY) == 10_000 - WAITING


async def test_a_client_waits_for_one_check_at_a_time(passwords: Passwords, checks: Checks) -> None:
    """One address cannot take all the places: another one's password is still checked."""
    checks.gate.clear()
    guesses = [
        asyncio.create_task(passwords.verdict("prometheus", b"%d" % number, "192.0.2.1"))
        for number in range(100)
    ]
    other = asyncio.create_task(passwords.verdict("prometheus", b"secret", "192.0.2.2"))
    await asyncio.sleep(0)
    checks.gate.set()
    assert await other is Verdict.RIGHT
    assert (await asyncio.gather(*guesses)).count(Verdict.BUSY) == 99


async def test_who_was_let_in_before_does_not_notice_a_flood(passwords: Passwords, checks: Checks) -> None:
    """While all places are taken the password that was right is right at once; a new one has its turn."""
    assert await passwords.verdict("prometheus", b"secret", "192.0.2.1") is Verdict.RIGHT
    checks.gate.clear()
    flood = [
        asyncio.create_task(passwords.verdict("prometheus", b"%d" % number, f"198.51.100.{number}"))
        for number in range(WAITING)
    ]
    await asyncio.sleep(0)
    assert await passwords.verdict("prometheus", b"secret", "192.0.2.200") is Verdict.RIGHT
    assert await passwords.verdict("prometheus", b"guess", "192.0.2.201") is Verdict.BUSY
    own = asyncio.create_task(passwords.verdict("ops", b"tr\xc3\xa4um", "192.0.2.200"))
    await until(lambda: len(checks.hashes) == 3)
    checks.gate.set()
    assert await own is Verdict.RIGHT
    await asyncio.gather(*flood)


async def test_checks_of_wrong_passwords_rest_most_of_the_time() -> None:
    """Guessing takes a twentieth of a processor: after a check of 10 ms come 190 ms of rest."""

    def check(_password: bytes, _known: bytes) -> bool:
        time.sleep(0.01)
        return False

    known = Passwords({"user": hashed(b"secret")}, check)
    begun = time.monotonic()
    for number in range(4):
        assert await known.verdict("user", b"%d" % number, "192.0.2.1") is Verdict.WRONG
    assert time.monotonic() - begun > 3 * 0.19
    known.close()


async def test_memory_is_bounded() -> None:
    """Of wrong passwords the latest are remembered, whatever their number."""
    clock = iter(range(10_000_000))
    known = Passwords({"user": hashed(b"secret")}, lambda *_: False, lambda: next(clock) * 1e-9)
    for number in range(REMEMBERED + 50):
        await known.verdict("user", b"%d" % number, "192.0.2.1")
    assert len(known.checked.wrong) == REMEMBERED
    known.close()


async def test_a_client_that_leaves_gives_its_place_back(passwords: Passwords, checks: Checks) -> None:
    """A check whose client is gone ends, and the next one has its turn."""
    checks.gate.clear()
    leaving = asyncio.create_task(passwords.verdict("prometheus", b"guess", "192.0.2.1"))
    await until(lambda: bool(checks.hashes))
    leaving.cancel()
    await asyncio.sleep(0)
    following = asyncio.create_task(passwords.verdict("prometheus", b"secret", "192.0.2.1"))
    await asyncio.sleep(0)
    checks.gate.set()
    assert await following is Verdict.RIGHT
