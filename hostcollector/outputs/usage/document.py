"""The account of open lives as a JSON document, and back: what a restart of the daemon continues from."""

import json
from collections.abc import Mapping
from typing import Any

from hostcollector.catalogue.usage import Ended, Gap, GpuMode, Why, parse_line
from hostcollector.outputs.usage.books import Account, Remains
from hostcollector.outputs.usage.life import Life
from hostcollector.outputs.usage.reading import End, Given, GpuKind, Moment

VERSION = 1


def write(account: Account) -> bytes:
    """Return the document."""
    return json.dumps(
        {
            "version": VERSION,
            "ledger": account.ledger,
            "boot": account.boot,
            "sequence": account.sequence,
            "hour": account.hour,
            "latest": account.latest,
            "moment": (account.moment.wall, account.moment.steady),
            "since": account.since,
            "lives": [_life(life) for life in account.lives.values()],
            "remains": {
                vm: {"qemu": one.qemu, "raws": one.raws, "old": sorted(one.old)}
                for vm, one in account.remains.items()
            },
            "lines": [line.line() for line in account.lines],
        },
        separators=(",", ":"),
    ).encode()


def read(content: bytes) -> Account:
    """Return the account. Raises `ValueError` for a document of another form."""
    try:
        document = json.loads(content)
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}, and this is version {VERSION}")
        return Account(
            ledger=document["ledger"],
            boot=document["boot"],
            sequence=document["sequence"],
            hour=document["hour"],
            latest=document["latest"],
            moment=Moment(*document["moment"]),
            since=document["since"],
            lives={entry["vm"]: _read_life(entry) for entry in document["lives"]},
            remains={
                vm: Remains(one["qemu"], one["raws"], frozenset(one["old"]))
                for vm, one in document["remains"].items()
            },
            lines=[parse_line(line.encode()) for line in document["lines"]],
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it has another form: {error!r}") from error


def _life(life: Life) -> Mapping[str, Any]:
    given, end = life.given, life.end
    gpus = None if given.gpus is None else [[*kind, count] for kind, count in given.gpus.items()]
    return {
        "vm": life.vm,
        "tenant": life.tenant,
        "id": life.id,
        "qemu": life.qemu,
        "flavour": life.flavour,
        "begun": life.begun,
        "at": life.at,
        "read": life.read,
        "given": (given.vcpus, given.memory_bytes, given.disk_bytes, gpus),
        "raws": life.raws,
        "old": sorted(life.old),
        "totals": life.totals,
        "booked": life.booked,
        "counted": sorted(life.counted),
        "gaps": [(gap.reason, gap.start, gap.end) for gap in life.gaps],
        "observed": life.observed,
        "unseen": life.unseen,
        "end": None if end is None else (end.at, end.why, end.goes_on),
    }


def _read_life(entry: Mapping[str, Any]) -> Life:
    vcpus, memory, disks, gpus = entry["given"]
    kinds = None
    if gpus is not None:
        kinds = {GpuKind(model, GpuMode(mode), profile): count for model, mode, profile, count in gpus}
    end = entry["end"]
    return Life(
        vm=entry["vm"],
        tenant=entry["tenant"],
        id=entry["id"],
        qemu=entry["qemu"],
        flavour=entry["flavour"],
        begun=entry["begun"],
        at=entry["at"],
        read=entry["read"],
        given=Given(vcpus, memory, disks, kinds),
        raws={meter: dict(raws) for meter, raws in entry["raws"].items()},
        old=set(entry["old"]),
        totals=dict(entry["totals"]),
        booked=dict(entry["booked"]),
        counted=set(entry["counted"]),
        gaps=[Gap(Why(reason), start, stop) for reason, start, stop in entry["gaps"]],
        observed=entry["observed"],
        unseen=entry["unseen"],
        end=None if end is None else End(end[0], Ended(end[1]), end[2]),
    )
