"""Whom the poller speaks with, and whom not."""

from dataclasses import replace

import pytest

from hostcollector.base.errors import Reason
from tests.fakes.authority import Authority
from tests.fakes.rest import FakeService
from tests.unit.protocols.rest.conftest import Follow, Settings
from tests.unit.protocols.rest.polling import answer_of, failure_of


def test_a_certificate_of_another_host_is_refused(
    settings: Settings, follow: Follow, authority: Authority
) -> None:
    """A certificate that the authority signed for another host is not the service's."""
    with FakeService(authority.server("other", "DNS:other.example")) as other:
        error = failure_of(follow(replace(settings, url=other.url)))
        assert not other.requests
    assert (error.reason, "certificate is refused" in str(error)) == (Reason.DENIED, True)
    assert "see depot.ca_file" in str(error)


def test_a_certificate_of_an_unknown_authority_is_refused(
    settings: Settings, follow: Follow, service: FakeService
) -> None:
    """The system's authorities do not vouch for this one, and no password is sent."""
    error = failure_of(follow(replace(settings, ca_file=None)))
    assert (error.reason, "certificate is refused" in str(error)) == (Reason.DENIED, True)
    assert not service.requests


def test_the_check_of_the_certificate_goes_only_with_a_warning(
    settings: Settings, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    """Who switches the check off finds that in the log of each start."""
    assert answer_of(follow(replace(settings, ca_file=None, insecure_skip_verify=True)))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "depot.insecure_skip_verify" in caplog.text


def test_a_server_without_tls_is_refused(settings: Settings, follow: Follow) -> None:
    """The password is not sent in the clear to a server without TLS."""
    with FakeService(None) as plain:
        assert failure_of(follow(replace(settings, url=plain.url))).reason is Reason.DENIED
        assert not plain.requests
