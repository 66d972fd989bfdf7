"""Numbers for texts that rows repeat: hosts, ledgers, VMs, words. All run within the writer's transaction."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Column, Connection, delete, insert, select, update

from hostcollector.gateway.errors import LedgerError
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.answers import Place

MOST_AT_ONCE = 500
"""Texts in one query."""


def vm_key(tenant: str, vm: str) -> bytes:
    """Return what names a VM of a tenant, also after the tenant was erased."""
    return sha256(f"{tenant}\0{vm}".encode()).digest()[:16]


def list_hosts(connection: Connection, targets: Collection[str]) -> None:
    """Make the table of hosts the same as the list."""
    table = schema.hosts
    known = set(connection.execute(select(table.c.target)).scalars())
    if new := [{"target": target} for target in sorted(set(targets) - known)]:
        connection.execute(insert(table), new)
    for target in known - set(targets):
        connection.execute(delete(table).where(table.c.target == target))


def place_of_host(connection: Connection, target: str) -> Place:
    """Return where a host's present ledger is to be read on; an empty name for a host without one."""
    hosts, ledgers = schema.hosts, schema.ledgers
    statement = select(ledgers.c.name, ledgers.c.cursor).join(hosts, hosts.c.ledger == ledgers.c.id)
    row = connection.execute(statement.where(hosts.c.target == target)).first()
    return Place(ledger="") if row is None else Place(ledger=row.name, cursor=row.cursor)


def place_of_ledger(connection: Connection, name: str) -> Place:
    """Return where a ledger is to be read on."""
    statement = select(schema.ledgers.c.cursor).where(schema.ledgers.c.name == name)
    return Place(ledger=name, cursor=connection.execute(statement).scalar() or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A host with its ledger, as numbers. `replaced` says that the host had another ledger before."""

    host: int
    ledger: int
    replaced: bool


def source_of(connection: Connection, target: str, name: str) -> Source:
    """Return the numbers of a host and its ledger, which belongs to the host from now on.

    Raises `LedgerError` for a ledger that another host of the list has at present.
    """
    hosts, ledgers = schema.hosts, schema.ledgers
    host = connection.execute(select(hosts).where(hosts.c.target == target)).first()
    if host is None:
        raise LedgerError(f"{target[:80]!a} is not in the list of hosts")
    ledger = connection.execute(select(ledgers).where(ledgers.c.name == name)).first()
    if ledger is None:
        row = {"name": name, "host": host.id, "cursor": 0, "refused": 0}
        number = connection.execute(insert(ledgers).returning(ledgers.c.id), row).scalar_one()
    else:
        number = ledger.id
        other = select(hosts.c.id).where(hosts.c.ledger == number, hosts.c.id != host.id)
        if connection.execute(other).first() is not None:
            raise LedgerError(f"{target[:80]!a} has the ledger of another host")
    if host.ledger != number:
        moved = update(hosts).where(hosts.c.id == host.id).values(ledger=number, closed_until=None)
        connection.execute(moved)
    replaced = host.ledger is not None and host.ledger != number
    return Source(host=host.id, ledger=number, replaced=replaced)


def vm_numbers(connection: Connection, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], int]:
    """Return the number of each tenant and VM; new ones get one."""
    table = schema.vms
    keys = {vm_key(*each): each for each in wanted}
    found = dict(_looked_up(connection, table.c.key, table.c.id, keys))
    if missing := [key for key in keys if key not in found]:
        rows = [{"key": key, "tenant": keys[key][0], "vm": keys[key][1]} for key in missing]
        connection.execute(insert(table), rows)
        found |= dict(_looked_up(connection, table.c.key, table.c.id, missing))
    return {each: found[key] for key, each in keys.items()}


def word_numbers(connection: Connection, wanted: Collection[str]) -> Mapping[str, int]:
    """Return the number of each word; new ones get one."""
    table = schema.words
    found = dict(_looked_up(connection, table.c.word, table.c.id, wanted))
    if missing := sorted(set(wanted) - found.keys()):
        connection.execute(insert(table), [{"word": word} for word in missing])
        found |= dict(_looked_up(connection, table.c.word, table.c.id, missing))
    return found


def namesakes(connection: Connection, vms: Collection[str]) -> Mapping[int, str]:
    """Return the numbers of VMs with these UUIDs, of any tenant."""
    return {number: vm for vm, number in _looked_up(connection, schema.vms.c.vm, schema.vms.c.id, vms)}


def _looked_up(
    connection: Connection, by: Column[Any], number: Column[int], wanted: Iterable[object]
) -> list[tuple[Any, int]]:
    every = list(wanted)
    return [
        (row[0], row[1])
        for first in range(0, len(every), MOST_AT_ONCE)
        for row in connection.execute(select(by, number).where(by.in_(every[first : first + MOST_AT_ONCE])))
    ]
