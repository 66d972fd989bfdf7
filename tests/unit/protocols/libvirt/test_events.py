"""Events of libvirt become values with all that libvirt reports with them."""

import libvirt
import pytest

from hostcollector.protocols.libvirt.connection import Link
from hostcollector.protocols.libvirt.events import DomainEvent, subscribe
from hostcollector.protocols.libvirt.job_words import block_operation, operation
from tests.fakes.libvirt import FakeLibvirt

FINISHED = {"operation": 5, "time_elapsed": 2900, "downtime": 125}


@pytest.mark.parametrize(
    ("kind", "details", "event", "detail", "job"),
    [
        ("JOB_COMPLETED", (FINISHED,), "job_completed", "", FINISHED),
        ("MIGRATION_ITERATION", (7,), "migration_iteration", "", {"memory_iteration": 7}),
        ("BLOCK_JOB_2", ("vda", 4, 3), "block_job", "ready", {"disk": "vda", "type": 4}),
        ("BLOCK_JOB_2", ("vda", 99, 99), "block_job", "unknown", {"disk": "vda", "type": 99}),
    ],
)
def test_an_event_about_a_job_has_its_parameters(
    kind: str, details: tuple[object, ...], event: str, detail: str, job: dict[str, object]
) -> None:
    """What the callback is given is in the event."""
    daemon = FakeLibvirt(1)
    received: list[DomainEvent] = []
    subscribe(Link("test:///default", opener=daemon.open).open_read_only(), received.append)
    daemon.happens(daemon.domains[0], getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{kind}"), *details)
    assert [(each.event, each.detail, each.job) for each in received] == [(event, detail, job)]


@pytest.mark.parametrize("number", [-1, 99, None, "5"])
def test_a_number_without_a_word_is_unknown(number: object) -> None:
    """A newer libvirt may have more operations."""
    assert operation(number) == block_operation(number) == "unknown"


def test_words_are_those_of_libvirt() -> None:
    """Each number has the word of libvirt's constant."""
    for word in ("migration_in", "migration_out", "save", "backup", "snapshot_delete"):
        assert operation(getattr(libvirt, f"VIR_DOMAIN_JOB_OPERATION_{word.upper()}")) == word
    for word in ("pull", "copy", "commit", "active_commit", "backup"):
        assert block_operation(getattr(libvirt, f"VIR_DOMAIN_BLOCK_JOB_TYPE_{word.upper()}")) == word
