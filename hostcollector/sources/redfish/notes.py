"""What the `redfish` source has to say to a person: what is missing, and what to configure."""

from collections.abc import Iterator, Mapping

from hostcollector.base.wording import counted, duration
from hostcollector.devices.pci import Function
from hostcollector.protocols.redfish.values import Answer
from hostcollector.sources.redfish.joining import Joined

_MOST_NAMED = 16


def not_configured(lacking: int) -> tuple[str, ...]:
    """Return what to do where `lacking` GPUs are held for guests and no BMC is asked."""
    if not lacking:
        return ()
    held = f"{counted(lacking, 'GPU')} {'is' if lacking == 1 else 'are'} held for guests"
    return (f"{held}: set redfish.url to see power, temperature and errors",)


def nothing_recent(answer: Answer | None, failure: str, now: float) -> str:
    """Return why nothing of the BMC is shown."""
    why = failure or "it has not been heard since"
    if answer is None:
        return why
    return f"the BMC's last answer is {duration(now - answer.parts[0].asked_at)} old: {why}"


def doubts(answer: Answer, failure: str, joined: list[Joined], gpus: Mapping[str, Function]) -> Iterator[str]:
    """Yield what failed although the last answer still stands, and which GPUs cannot be told apart."""
    if failure:
        yield failure
    yield from answer.problems
    for doubt in sorted({one.doubt for one in joined if one.doubt}):
        yield f"{doubt}: correct redfish.gpu_map_file"
    mapped = {one.address for one in joined}
    unmapped = [one.name for one in joined if not one.address and not one.doubt]
    here = [address for address, it in gpus.items() if it.is_nvidia_gpu and address not in mapped]
    if unmapped and here:
        yield (
            f"it is not known which of {_named(here)} is {_named(unmapped)} of the BMC: say it in "
            "redfish.gpu_map_file, or let the source nvml see the GPU once with NVIDIA's driver"
        )


def found(answer: Answer, joined: list[Joined]) -> str:
    """Return in one line what the walk over the BMC's links found, and what it did not."""
    met = answer.met
    types = ", ".join(f"{count} {kind}" for kind, count in sorted(met.others.items()))
    others = sum(met.others.values())
    empty = f", {counted(met.empty, 'empty socket')}" if met.empty else ""
    mapped = sum(bool(one.address) for one in joined)
    return (
        f"on the BMC: {counted(len(joined), 'GPU')} found{empty}, {mapped} of known PCI address, "
        f"{counted(others, 'processor')} of other types{f' ({types})' if types else ''}, "
        f"{counted(met.unread, 'resource')} not read, {counted(met.senseless, 'value')} not understood"
    )


def _named(names: list[str]) -> str:
    return ", ".join(sorted(names)[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
