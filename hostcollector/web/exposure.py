"""What a network sees of a page that is open to it: said at each start, because nobody notices otherwise."""

import ipaddress
from collections.abc import Iterable

from hostcollector.config.address import Address
from hostcollector.config.web_config import ClientAuthType, WebConfig


def exposure(addresses: Iterable[Address], config: WebConfig) -> str | None:
    """Return the warning about a page that is served on these addresses; None if there is none."""
    open_to = ", ".join(str(address) for address in addresses if not _is_loopback(address.host))
    if not open_to:
        return None
    tls = config.tls_server_config
    asked = _asks(config)
    if tls is None and not asked:
        return f"everybody who reaches {open_to} can read the page: there is neither TLS nor authentication"
    if tls is None:
        return f"passwords for {open_to} cross the network in the clear: there is no TLS"
    if not asked:
        return f"everybody who reaches {open_to} can read the page: there is TLS, but no authentication"
    return None


def taken_away(before: WebConfig, after: WebConfig) -> list[str]:
    """Return what protects the page by the one configuration and is missing from the other, as problems."""
    missing = []
    if before.tls_server_config and not after.tls_server_config:
        missing.append("tls_server_config: was taken away; a page without TLS needs a restart")
    if _asks(before) and not _asks(after):
        missing.append("basic_auth_users: nobody is asked who he is any more; that needs a restart")
    return missing


def _asks(config: WebConfig) -> bool:
    """Whether everybody has to show a certificate or to say a password."""
    tls = config.tls_server_config
    required = tls is not None and tls.client_auth_type is ClientAuthType.REQUIRED
    return required or bool(config.basic_auth_users)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
