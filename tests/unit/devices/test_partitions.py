"""Whom is believed about a port, and when."""

import math

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.config.services import PartitionSettings, UfmSettings
from hostcollector.devices.partitions import Partitions
from hostcollector.protocols.ufm import Member, Membership, Origin, UfmAnswer, UfmClient

PORT, OTHER = "0c:42:a1:03:00:ab:cd:01", "0c:42:a1:03:00:ab:cd:02"
NOW, AGE = 1000.0, 90.0
EVER = -math.inf


class Answered(UfmClient):
    """A UFM that said something 90 s ago, or never."""

    def __init__(self, **members: Member) -> None:
        super().__init__(UfmSettings())
        self._told = UfmAnswer(members={PORT: tuple(members.values())}) if members else None

    def current(self) -> tuple[UfmAnswer, float, str]:
        """Return the answer with its age."""
        if self._told is None:
            raise SourceUnavailableError("no answer yet")
        return self._told, AGE, ""


def member(partition: int, name: str, origin: Origin = Origin.UFM) -> Member:
    """Return a full membership."""
    return Member(partition=partition, name=name, membership=Membership.FULL, origin=origin)


def test_what_is_configured_of_a_port_is_used() -> None:
    """UFM is believed about the ports that the configuration does not name."""
    partitions = Partitions(
        [
            PartitionSettings(pkey=1, name="acme", full=(PORT,), limited=(OTHER,)),
            PartitionSettings(pkey=2, limited=(PORT,)),
        ],
        Answered(one=member(7, "else")),
        lambda: NOW,
    )
    assert partitions.of(PORT, EVER) == (
        member(1, "acme", Origin.STATIC),
        Member(partition=2, membership=Membership.LIMITED, origin=Origin.STATIC),
    )
    assert [each.membership for each in partitions.of(OTHER, EVER)] == [Membership.LIMITED]


def test_ufm_is_asked_for_the_others() -> None:
    """A name in the configuration replaces UFM's own for the partition."""
    configured = [PartitionSettings(pkey=7, name="blue")]
    partitions = Partitions(configured, Answered(one=member(7, "api_pkey_0x7"), two=member(8, "red")))
    assert partitions.of(PORT, EVER) == (member(7, "blue"), member(8, "red"))
    assert partitions.of(OTHER, EVER) == ()


def test_what_was_asked_before_the_owner_came_is_not_shown() -> None:
    """It may have been about the owner before; the configuration speaks for itself."""
    partitions = Partitions((), Answered(one=member(7, "blue")), lambda: NOW)
    assert partitions.of(PORT, NOW - AGE) == (member(7, "blue"),)
    assert partitions.of(PORT, NOW - AGE + 1) == ()
    static = Partitions([PartitionSettings(pkey=7, full=(PORT,))], clock=lambda: NOW)
    assert len(static.of(PORT, NOW)) == 1


def test_before_the_first_answer_nothing_is_known() -> None:
    """A manager that has not answered gives no memberships and no error here."""
    partitions = Partitions((), Answered())
    assert partitions.of(PORT, EVER) == ()
    assert partitions.known


def test_without_configuration_nothing_is_known() -> None:
    """Nothing configured, or names only, and there is nothing to say."""
    assert not Partitions().known
    assert not Partitions([PartitionSettings(pkey=1, name="acme")]).known
