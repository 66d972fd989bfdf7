"""What a network sees of a page that is open to it: said at each start, because nobody notices otherwise."""

import ipaddress
from collections.abc import Iterable

from hostcollector.config import Address, ClientAuthType, WebConfig


def exposure(addresses: Iterable[Address], config: WebConfig) -> str | None:
    """Return the warning about a page that is served on these addresses; None if there is none."""
    open_to = ", ".join(str(address) for address in addresses if not _is_loopback(address.host))
    if not open_to:
        return None
    tls = config.tls_server_config
    asked = bool(config.basic_auth_users) or (tls and tls.client_auth_type is ClientAuthType.REQUIRED)
    if tls is None and not asked:
        return f"everybody who reaches {open_to} can read the page: there is neither TLS nor authentication"
    if tls is None:
        return f"passwords for {open_to} cross the network in the clear: there is no TLS"
    if not asked:
        return f"everybody who reaches {open_to} can read the page: there is TLS, but no authentication"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
