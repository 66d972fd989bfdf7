"""What rows look for on a page."""

from collections.abc import Callable

from tests.lab.running import RunningGuest
from tests.lab.served import Page

Condition = Callable[[Page], bool]


def gone(*guests: RunningGuest) -> Condition:
    """Return whether no series of the guests is left but those about their ends."""
    uuids = {guest.guest.uuid for guest in guests}
    return lambda page: uuids.isdisjoint(page.guests())


def in_state(guest: RunningGuest, state: str, reason: str) -> Condition:
    """Return whether the guest is in that state, and in no other one."""
    wanted = {"state": state, "reason": reason, "uuid": guest.guest.uuid}

    def found(page: Page) -> bool:
        shown = page.all("libvirt_domain_state_reason", uuid=guest.guest.uuid)
        return len(shown) == 1 and wanted.items() <= dict(next(iter(shown))).items()

    return found


def shows(name: str, value: float, *guests: RunningGuest, **labels: str) -> Condition:
    """Return whether the metric has that value, for each of the guests where some are named."""

    def found(page: Page) -> bool:
        uuids = [{"uuid": guest.guest.uuid} for guest in guests] or [{}]
        return all(set(page.all(name, **labels, **uuid).values()) == {value} for uuid in uuids)

    return found


def told_of_its_memory_after(guest: RunningGuest, moment: float) -> Condition:
    """Return whether the guest's balloon driver has reported since then, a Unix time in seconds."""
    name = "libvirt_domain_memory_stats_last_update_timestamp_seconds"
    return lambda page: any(value > moment for value in page.all(name, uuid=guest.guest.uuid).values())


def lacks(name: str, *guests: RunningGuest) -> Condition:
    """Return whether none of the guests has the metric; all guests if none is named."""
    uuids = {guest.guest.uuid for guest in guests}
    return lambda page: not any(not uuids or dict(found)["uuid"] in uuids for found in page.all(name))


def both(*conditions: Condition) -> Condition:
    """Return whether all of them are true of the same page."""
    return lambda page: all(condition(page) for condition in conditions)


def counts(name: str, guest: RunningGuest, number: int) -> Condition:
    """Return whether the guest has so many series of the metric."""
    return lambda page: len(page.all(name, uuid=guest.guest.uuid)) == number


def only(label: str, value: str, uuid: str) -> Condition:
    """Return whether the guest is on the page and all its series with that label have that value."""

    def found(page: Page) -> bool:
        series = (dict(labels) for _, labels in page.series)
        return {reported.get(label, value) for reported in series if reported.get("uuid") == uuid} == {value}

    return found
