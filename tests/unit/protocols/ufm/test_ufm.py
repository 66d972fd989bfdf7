"""The client of UFM: what a round gives, and what is kept when the manager misbehaves."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from hostcollector.base.errors import Reason, SourceError
from hostcollector.config.settings import UfmSettings
from hostcollector.devices.partitions import Answer, Client
from hostcollector.protocols.rest.poller import Limits
from hostcollector.protocols.ufm import read_partitions
from tests.fakes.authority import Authority
from tests.fakes.rest import PASSWORD
from tests.fakes.ufm import PKEYS, VERSION, FakeUfm
from tests.unit.protocols.rest.polling import LIMITS, PATIENCE, answer_of, failure_of, polling, wait_until


def client_of(settings: UfmSettings, limits: Limits = LIMITS) -> Client:
    """Return a client that finds nothing in its environment."""
    return Client(settings, limits=limits, environment={})


def test_a_round_gives_the_members_of_all_partitions(settings: UfmSettings, manager: FakeUfm) -> None:
    """Two questions give the version and every port's partitions."""
    assert answer_of(client_of(settings)) == Answer(
        version="6.19.3", partitions=3, members=read_partitions(manager.documents[PKEYS]).members
    )
    assert manager.requests == {PKEYS: 1, VERSION: 1}


def test_a_version_that_is_not_told_costs_nothing(settings: UfmSettings, manager: FakeUfm) -> None:
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


def test_a_certificate_of_another_host_is_refused(settings: UfmSettings, authority: Authority) -> None:
    """No password goes to a server that cannot prove to be the manager."""
    with FakeUfm(authority.server("other", "DNS:other.example")) as other:
        error = failure_of(client_of(replace(settings, url=other.url)))
        assert not other.requests
    assert (error.reason, "see ufm.ca_file" in str(error)) == (Reason.DENIED, True)


def test_reading_does_not_wait_for_a_manager_that_hangs(settings: UfmSettings, manager: FakeUfm) -> None:
    """While the first round hangs, the reason is given at once; the client can be closed all the same."""
    manager.hangs(PKEYS)
    client = client_of(settings)
    client.start()
    wait_until(lambda: manager.requests[PKEYS] > 0)
    with pytest.raises(SourceError, match="no answer yet"):
        client.current()
    client.close()
    assert client._flight is not None
    client._flight.result(PATIENCE)


def test_the_last_good_answer_stands(
    settings: UfmSettings, manager: FakeUfm, caplog: pytest.LogCaptureFixture
) -> None:
    """After a failure the answer before it is given with its age and the failure, which is logged once."""
    caplog.set_level(logging.INFO)
    with polling(client_of(settings)) as client:
        first = client.current()
        manager.answers(PKEYS, 401)
        wait_until(lambda: client.current()[2] != "")
        later = client.current()
        del manager.misbehave[PKEYS]
        wait_until(lambda: client.current()[2] == "")
        assert client.current()[1] < later[1]
    assert first[0] == later[0]
    assert "is not let in" in later[2]
    assert [record.getMessage().split()[:2] for record in caplog.records] == [
        ["UFM", "failed:"],
        ["UFM", "recovered"],
    ]
    assert PASSWORD not in caplog.text + later[2]
