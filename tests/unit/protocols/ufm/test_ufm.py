"""The client of UFM: what a round gives, and what is kept when the manager misbehaves."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from hostcollector.base.errors import Reason
from hostcollector.config.services import UfmSettings
from hostcollector.protocols.rest.poller import Limits
from hostcollector.protocols.ufm import UfmAnswer, UfmClient, read_partitions
from tests.fakes.ufm import PKEYS, VERSION, FakeUfm
from tests.unit.protocols.rest.polling import LIMITS, answer_of, failure_of


def client_of(settings: UfmSettings, limits: Limits = LIMITS) -> UfmClient:
    """Return a client that finds nothing in its environment."""
    return UfmClient(settings, limits=limits, environment={})


def test_a_round_gives_the_members_of_all_partitions(settings: UfmSettings, manager: FakeUfm) -> None:
    """Two questions give the version and every port's partitions."""
    assert answer_of(client_of(settings)) == UfmAnswer(
        version="6.19.3", partitions=3, members=read_partitions(manager.documents[PKEYS]).members
    )
    assert manager.requests == {PKEYS: 1, VERSION: 1}


def test_a_version_that_is_not_reported_costs_nothing(settings: UfmSettings, manager: FakeUfm) -> None:
    """Memberships are read also where the version is not."""
    manager.answers(VERSION, 404)
    answer = answer_of(client_of(settings))
    assert (answer.version, answer.partitions) == ("", 3)


def test_a_wrong_password_is_tried_once(
    settings: UfmSettings, manager: FakeUfm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The 401 is explained, the password is nowhere to be read, and no second try brings the lock nearer."""
    (tmp_path / "password").write_text("wrong-horse")
    caplog.set_level(logging.DEBUG)
    error = failure_of(client_of(settings, replace(LIMITS, login_pause=60)))
    assert (error.reason, "'reader' is not let in" in str(error)) == (Reason.DENIED, True)
    assert manager.requests == {PKEYS: 1}
    assert "wrong-horse" not in str(error) + caplog.text


@pytest.mark.parametrize("text", ["", "{", '{"0x1": {"partition": "acme", "gui', "<html>login</html>", "[]"])
def test_an_answer_that_is_cut_off_or_something_else_fails_the_round(
    settings: UfmSettings, manager: FakeUfm, text: str
) -> None:
    """Nothing is shown of a document that is not whole, not JSON, or not the partitions."""
    manager.answers(PKEYS, 200, text=text)
    assert failure_of(client_of(settings)).reason is Reason.MALFORMED
