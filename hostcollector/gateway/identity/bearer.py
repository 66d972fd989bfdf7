"""The Authorization header to a principal."""

import time
from collections.abc import Callable, Sequence

from hostcollector.gateway.accounts.accounts import Accounts
from hostcollector.gateway.identity.openid import OpenId
from hostcollector.gateway.identity.principal import Principal, invalid
from hostcollector.gateway.identity.tokens import is_api_token, principal_of_token
from hostcollector.gateway.plans import Plans

LONGEST_TOKEN = 8192


class Identity:
    """Knows whose requests are. `wall_clock` gives Unix time in seconds."""

    def __init__(
        self,
        accounts: Callable[[], Accounts],
        plans: Plans,
        openid: OpenId | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._accounts = accounts
        self._plans = plans
        self._openid = openid
        self._wall_clock = wall_clock

    def principal(self, authorization: Sequence[str], wanted_tenant: Sequence[str] = ()) -> Principal:
        """Return whose request has these Authorization and X-Tenant headers. Raises `RequestRefusedError`."""
        token = bearer(authorization)
        accounts, now = self._accounts(), self._wall_clock()
        if is_api_token(token):
            return principal_of_token(token, accounts, self._plans, now)
        if self._openid is None:
            raise invalid()
        return self._openid.principal(token, wanted_tenant, accounts, self._plans, now)


def bearer(headers: Sequence[str]) -> str:
    """Return the token of the one Authorization header. Raises `UnauthenticatedError`."""
    scheme, _, token = (headers[0] if len(headers) == 1 else "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.isascii() or not 0 < len(token) <= LONGEST_TOKEN:
        raise invalid()
    return token
