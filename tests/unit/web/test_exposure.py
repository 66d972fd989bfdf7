"""The warning about a page that more people can read than should."""

import pytest

from hostcollector.config.address import Address
from hostcollector.config.web_config import ClientAuthType, TlsServerConfig, WebConfig
from hostcollector.web.access import exposure

TLS = TlsServerConfig(cert_file="/c", key_file="/k")
MUTUAL = TlsServerConfig(
    cert_file="/c", key_file="/k", client_ca_file="/a", client_auth_type=ClientAuthType.REQUIRED
)
OPTIONAL = TlsServerConfig(
    cert_file="/c", key_file="/k", client_ca_file="/a", client_auth_type=ClientAuthType.IF_GIVEN
)
USERS = {"prometheus": "$2y$..."}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1"])
def test_the_loopback_address_is_no_exposure(host: str) -> None:
    """A listener that only this machine reaches gets no warning."""
    assert exposure([Address(host, 10177)], WebConfig()) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "2001:db8::1", "fe80::1%eth0"])
def test_every_other_address_is(host: str) -> None:
    """The warning names the address, and only the ones that are open."""
    warning = exposure([Address("127.0.0.1", 1), Address(host, 10177)], WebConfig())
    open_to = f"[{host}]" if ":" in host else host
    assert warning == (
        f"every client that reaches {open_to}:10177 can read the page: "
        "there is neither TLS nor authentication"
    )


@pytest.mark.parametrize(
    ("config", "lack"),
    [
        (WebConfig(basic_auth_users=USERS), "in the clear: there is no TLS"),
        (WebConfig(tls_server_config=TLS), "there is TLS, but no authentication"),
        (WebConfig(tls_server_config=OPTIONAL), "there is TLS, but no authentication"),
        (WebConfig(tls_server_config=TLS, basic_auth_users=USERS), None),
        (WebConfig(tls_server_config=MUTUAL), None),
    ],
)
def test_both_are_needed(config: WebConfig, lack: str | None) -> None:
    """TLS without a question and a question without TLS are each worth a warning; both together are not."""
    warning = exposure([Address("::", 10177)], config)
    assert (warning is None) if lack is None else (warning is not None and lack in warning)
