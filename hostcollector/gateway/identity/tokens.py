"""API tokens: ``hc_<id>_<secret>``, of which the database has a SHA-256 only.

A secret has 256 random bits, so a plain hash is enough: there is nothing to guess.
"""

import hmac
import re
from hashlib import sha256

from hostcollector.gateway.accounts.accounts import Accounts
from hostcollector.gateway.identity.principal import TOKEN, Principal, invalid, principal_of, recognised
from hostcollector.gateway.plans import Plans

_FORM = re.compile(r"hc_(?P<id>[0-9a-f]{16})_(?P<secret>[0-9a-f]{64})")


def is_api_token(text: str) -> bool:
    """Whether the text has the form of an API token."""
    return _FORM.fullmatch(text) is not None


def principal_of_token(text: str, accounts: Accounts, plans: Plans, now: float) -> Principal:
    """Return whose token it is; `now` is Unix time in seconds. Raises `RequestRefusedError`."""
    form = _FORM.fullmatch(text)
    token = None if form is None else accounts.tokens.get(form["id"])
    if form is None or token is None:
        raise invalid()
    same = hmac.compare_digest(sha256(form["secret"].encode()).hexdigest(), token.sha256)
    if not same or token.revoked or now >= token.expires_at:
        raise invalid()
    subject = TOKEN + token.id
    with recognised(subject, token.tenant):
        return principal_of(
            accounts, plans, token.tenant, subject=subject, scopes=token.scopes, vms=token.vms
        )
