"""Pulls one host's usage records, page by page, into the ledger."""

import socket
import ssl
from functools import partial

from hostcollector.base.errors import ConfigError, SourceMalformedError, SourceUnavailableError
from hostcollector.base.lanes import Workers
from hostcollector.config.address import parse_address
from hostcollector.gateway.settings import IntakeSettings
from hostcollector.gateway.usage.answers import MOST_BYTES, MOST_LINES, Answer, Place, read_answer
from hostcollector.gateway.usage.ledger import Ledger, Outcome
from hostcollector.gateway.usage.targets import is_local
from hostcollector.protocols.rest.http import Http, Reply
from hostcollector.protocols.rest.target import Service, Target

PATH = "/tenants/usage"
LEDGER_HEADER = "Hostcollector-Ledger"
_LEDGER_LENGTH = 32
_AHEAD = 409
"""The host's ledger is shorter than the cursor: it is another one, or it went back."""

MOST_TRIES = 5
"""Requests until an answer fits the ledger's cursor."""

MOST_PAGES = 200
"""Answers of one host in one round: more than a host keeps."""

_SERVICE = Service(name="usage", section="intake")


class Puller:
    """Pulls hosts into a ledger. `lookups` resolve names, `writer` reads and writes the ledger.

    The constructor raises `ConfigError` for certificates that cannot be used.
    """

    def __init__(self, settings: IntakeSettings, ledger: Ledger, lookups: Workers, writer: Workers) -> None:
        self._settings = settings
        self._context = _context(settings)
        self._ledger = ledger
        self._lookups = lookups
        self._writer = writer

    async def pull(self, target: str) -> list[Outcome]:
        """Read everything that a host has and the ledger has not. Raises `SourceError` and `LedgerError`."""
        reached = await self._lookups.run(partial(self._target, target))
        found: list[Outcome] = []
        async with Http(reached, seconds=self._settings.host_seconds, limit=MOST_BYTES) as http:
            place = await self._writer.run(partial(self._ledger.place_of_host, target))
            for _ in range(MOST_PAGES):
                answer = await self._page(http, target, place)
                outcome = await self._writer.run(partial(self._ledger.take, answer))
                found.append(outcome)
                if len(answer.lines) < MOST_LINES or outcome.place == place:
                    break
                place = outcome.place
        return found

    async def _page(self, http: Http, target: str, place: Place) -> Answer:
        """Return the next lines. A host with another ledger is read from where that one was read to."""
        wanted, shorter = place, ""
        for _ in range(MOST_TRIES):
            reply = await _ask(http, wanted)
            if reply.status == _AHEAD:
                wanted, shorter = Place(ledger=wanted.ledger), wanted.ledger
                continue
            ledger = _ledger_of(reply)
            known = await self._writer.run(partial(self._ledger.place_of_ledger, ledger))
            rewound = wanted.cursor == 0 < known.cursor and shorter == ledger
            if wanted.cursor == known.cursor or rewound:
                begun = Place(ledger=ledger, cursor=wanted.cursor)
                return await self._lookups.run(
                    partial(read_answer, target, begun, reply.content, rewound=rewound)
                )
            wanted = known
        raise SourceMalformedError("the host changes its ledger while it is read")

    def _target(self, target: str) -> Target:
        """Return how to reach a host; may block."""
        if self._context is None and not is_local(target):
            raise SourceUnavailableError("without certificates only hosts with a loopback address are read")
        address = parse_address(target)
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise SourceUnavailableError(f"the name {address.host!a} cannot be resolved: {error}") from error
        return Target(
            service=_SERVICE,
            url=f"{'http' if self._context is None else 'https'}://{target}",
            user="",
            password="",
            context=self._context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            addresses=tuple((int(family), str(where[0])) for family, _, _, _, where in found),
        )


async def _ask(http: Http, place: Place) -> Reply:
    path = f"{PATH}?after={place.cursor}&limit={MOST_LINES}"
    return await http.ask("GET", path, {"Accept": "application/x-ndjson"}, good=(200, _AHEAD))


def _ledger_of(reply: Reply) -> str:
    """Return the name of the ledger that answers."""
    name = reply.headers.get(LEDGER_HEADER, "")
    if len(name) != _LEDGER_LENGTH or not set(name) <= set("0123456789abcdef"):
        raise SourceMalformedError(f"{PATH} answers without the name of its ledger")
    return name


def _context(settings: IntakeSettings) -> ssl.SSLContext | None:
    if settings.certificate_file is None:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        context.load_cert_chain(settings.certificate_file, settings.private_key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("intake", [f"certificates cannot be used: {error}"]) from error
    return context
