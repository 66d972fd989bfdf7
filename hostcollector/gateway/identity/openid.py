"""JWTs of the cloud's OpenID provider: checked here, with keys from its JWKS (RFC 7519, RFC 7517).

A JWT lives until it expires, at most an hour; a suspended tenant or subject is refused within seconds.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from hostcollector.gateway.accounts.accounts import Accounts, Scope
from hostcollector.gateway.errors import ForbiddenError, RequestRefusedError
from hostcollector.gateway.identity.principal import Principal, invalid, principal_of, recognised
from hostcollector.gateway.plans import Plans
from hostcollector.gateway.settings import OpenIdSettings
from hostcollector.gateway.tenant import is_tenant

LONGEST_LIFE = 3600
"""Seconds between `iat` and `exp`, and between now and `exp`."""

LATEST = 2**40
"""No time in a JWT is later, in Unix seconds."""

CLOCK_SECONDS = 30
"""How far the provider's clock may be off."""

MOST_TENANTS = 100

Keys = Mapping[str, jwt.PyJWK]


def read_keys(content: bytes) -> Keys:
    """Return the keys of a JWKS by `kid`. Those without one, or of an unknown kind, are left out.

    Raises `ValueError` for what is no JWKS.
    """
    try:
        document = json.loads(content)
    except RecursionError:
        raise ValueError("not a JWKS") from None
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a JWKS")  # noqa: TRY004 - one error for every wrong document
    found = {}
    for entry in document["keys"]:
        kid = entry.get("kid") if isinstance(entry, dict) else None
        # A symmetric key in a JWKS would let any reader of it sign.
        if not isinstance(kid, str) or entry.get("kty") == "oct" or entry.get("use", "sig") != "sig":
            continue
        try:
            found[kid] = jwt.PyJWK.from_dict(entry)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    return found


class OpenId:
    """Checks the JWTs of one provider with the `keys` that were fetched last."""

    def __init__(self, settings: OpenIdSettings, keys: Keys | None = None) -> None:
        self._settings = settings
        self._algorithms = [str(algorithm) for algorithm in settings.algorithms]
        self._keys: Keys = keys or {}
        self.missed = False
        """Whether a JWT has named a key that is not known since the last `use`."""

    def use(self, keys: Keys) -> None:
        """Check JWTs with these keys from now on."""
        self._keys, self.missed = keys, False

    def principal(
        self, token: str, wanted_tenant: Sequence[str], accounts: Accounts, plans: Plans, now: float
    ) -> Principal:
        """Return whose JWT it is. Raises `RequestRefusedError`; 401 says nothing of the cause."""
        claims = self._claims(token, now)
        login = claims["sub"]
        subject = f"openid:{login}"
        with recognised(subject):
            if (self._settings.issuer, login) in accounts.suspended_subjects:
                raise ForbiddenError("this login is suspended: ask your provider")
            tenant = self._tenant(claims, wanted_tenant)
        scopes = frozenset({Scope.METRICS, Scope.PROMQL, Scope.USAGE})
        with recognised(subject, tenant):
            return principal_of(accounts, plans, tenant, subject=subject, scopes=scopes)

    def _claims(self, token: str, now: float) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get(str(header.get("kid")))
            self.missed |= key is None
            if key is None or header.get("alg") not in self._algorithms or "crit" in header:
                raise invalid()
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=CLOCK_SECONDS,
                options={"require": ["iss", "aud", "exp", "sub"], "strict_aud": False},
            )
        # An infinite time is an OverflowError.
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
            raise invalid() from None
        begins, ends = claims.get("iat", now), claims["exp"]
        if not (_is_time(begins) and _is_time(ends) and _is_text(claims["sub"])):
            raise invalid()
        if ends - min(begins, now) > LONGEST_LIFE + CLOCK_SECONDS:
            raise invalid()
        return claims

    def _tenant(self, claims: Mapping[str, Any], wanted: Sequence[str]) -> str:
        """Return the tenant of the configured claim. Raises `RequestRefusedError`."""
        claim = claims.get(self._settings.tenant_claim)
        tenants = claim if isinstance(claim, list) else [claim]
        good = 0 < len(tenants) <= MOST_TENANTS and all(
            isinstance(one, str) and is_tenant(one) for one in tenants
        )
        if not good:
            raise ForbiddenError("this login has no tenant here: ask your provider")
        if len(wanted) > 1:
            raise RequestRefusedError("X-Tenant is given twice")
        if not wanted:
            if len(tenants) > 1:
                raise RequestRefusedError("this login has several tenants: name one in the header X-Tenant")
            return str(tenants[0])
        if wanted[0] not in tenants:
            raise ForbiddenError("X-Tenant names a tenant that this login does not have")
        return wanted[0]


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LATEST


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable()
