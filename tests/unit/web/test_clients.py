"""Which client is cut off to make room for another one."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hostcollector.web.clients import AcceptedClient, ClientLimits, Clients

OTHER = "192.0.2.9"


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Two connections: the server's end and the client's end of each."""
    with ExitStack() as stack:
        made = [socket.socketpair() for _ in range(2)]
        for end in (end for pair in made for end in pair):
            end.setblocking(False)
            stack.enter_context(end)
        yield made


def _full(pairs: list[tuple[socket.socket, socket.socket]]) -> tuple[Clients, list[AcceptedClient]]:
    """Return a server's clients at their limit, the oldest one first."""
    clients = Clients(ClientLimits(connections=len(pairs)))
    accepted = [AcceptedClient(ours, "192.0.2.1", float(number)) for number, (ours, _) in enumerate(pairs)]
    for client in accepted:
        clients.add(client)
    return clients, accepted


async def test_the_oldest_silent_client_is_cut_off(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    """Of clients that have sent nothing, the oldest one makes room."""
    clients, (_, younger) = _full(pairs)
    assert clients.make_room(OTHER)
    assert list(clients) == [younger]


async def test_a_client_whose_request_is_unread_stays(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    """A request that has arrived and is not read yet keeps its client; a younger silent one makes room."""
    clients, (older, _) = _full(pairs)
    await asyncio.get_running_loop().sock_sendall(pairs[0][1], b"GET /metrics HTTP/1.1\r\n")
    assert clients.make_room(OTHER)
    assert list(clients) == [older]


async def test_unread_requests_of_all_clients_leave_no_room(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    """Where every client waits for its answer, the next one is not accepted."""
    clients, accepted = _full(pairs)
    for _, client in pairs:
        await asyncio.get_running_loop().sock_sendall(client, b"GET ")
    assert not clients.make_room(OTHER)
    assert list(clients) == accepted
