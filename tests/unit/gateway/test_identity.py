"""Who asks: API tokens and JWTs, and what is refused."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hostcollector.gateway.accounts.accounts import Accounts, Scope, Tenant
from hostcollector.gateway.accounts.changes import Changes
from hostcollector.gateway.errors import ForbiddenError, RequestRefusedError, UnauthenticatedError
from hostcollector.gateway.identity.bearer import Identity
from hostcollector.gateway.identity.openid import OpenId, read_keys
from hostcollector.gateway.plans import Plans
from hostcollector.gateway.settings import OpenIdSettings
from tests.unit.gateway.accounts import accounts_of, database

VM = "7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"
ISSUER, AUDIENCE = "https://login.example", "hostcollector"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ACCOUNTS = Accounts(
    version=1,
    tenants={
        "a": Tenant(id="a", plan="detailed"),
        "b": Tenant(id="b", plan="detailed"),
        "gone": Tenant(id="gone", plan="detailed", suspended=True),
    },
    suspended_subjects=frozenset({(ISSUER, "banned")}),
)


def keys() -> bytes:
    """Return the provider's JWKS, with a symmetric key that must not be taken."""
    entries = [
        {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())), "kid": "rsa", "use": "sig"},
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC.public_key())), "kid": "ec"},
        {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "oct", "alg": "HS256"},
        {"kty": "unknown", "kid": "x"},
        "no key",
    ]
    return json.dumps({"keys": entries}).encode()


def identity(accounts: Accounts = ACCOUNTS) -> Identity:
    """Return an identity with the provider."""
    settings = OpenIdSettings(issuer=ISSUER, audience=AUDIENCE, keys_url="https://login.example/keys")
    return Identity(lambda: accounts, Plans(), OpenId(settings, read_keys(keys())))


def claims(**changed: Any) -> dict[str, Any]:
    """Return good claims, with changes; None takes a claim out."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "exp": int(time.time()) + 600, "tenant": "a"}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def token(payload: Mapping[str, Any], key: Any = RSA, algorithm: str = "RS256", **headers: Any) -> list[str]:
    """Return the Authorization header of a JWT."""
    return [f"Bearer {jwt.encode(dict(payload), key, algorithm, headers={'kid': 'rsa', **headers})}"]


def test_an_api_token_is_its_tenants(tmp_path: Path) -> None:
    """It has the scopes and VMs that it was made with, until it expires or is revoked."""
    engine = database(tmp_path)
    changes = Changes(engine)
    changes.add_tenant("a", "detailed")
    text = changes.issue_token("a", [Scope.METRICS], 60, vms=[VM])
    found = identity(accounts_of(engine)).principal([f"Bearer {text}"])
    assert (found.tenant, found.scopes, found.vms) == ("a", frozenset({Scope.METRICS}), frozenset({VM}))
    late = Identity(lambda: accounts_of(engine), Plans(), wall_clock=lambda: time.time() + 61)
    with pytest.raises(UnauthenticatedError):
        late.principal([f"Bearer {text}"])
    changes.revoke_token(text.split("_")[1])
    with pytest.raises(UnauthenticatedError):
        identity(accounts_of(engine)).principal([f"Bearer {text}"])


def test_a_token_of_a_suspended_tenant_is_refused(tmp_path: Path) -> None:
    """Suspension says so: the customer has to talk to the provider."""
    engine = database(tmp_path)
    changes = Changes(engine)
    changes.add_tenant("a", "detailed")
    text = changes.issue_token("a", [Scope.METRICS], 60)
    changes.suspend("a")
    with pytest.raises(ForbiddenError, match="suspended"):
        identity(accounts_of(engine)).principal([f"Bearer {text}"])


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Bearer"],
        ["Bearer "],
        ["Basic YTpi"],
        ["hc_0000000000000000_" + "0" * 64],
        ["Bearer hc_0000000000000000_" + "0" * 64],
        ["Bearer hc_0000000000000000_" + "0" * 63],
        ["Bearer a.b.c"],
        ["Bearer " + "x" * 9000],
        ["Bearer x", "Bearer y"],
        ["Bearer \udcff"],
    ],
)
def test_what_is_no_token_is_refused_with_one_sentence(headers: list[str]) -> None:
    """Nothing says whether a token exists."""
    with pytest.raises(UnauthenticatedError) as refusal:
        identity().principal(headers)
    assert str(refusal.value).startswith("the token is missing, wrong, expired or revoked")


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA, "RS256", "rsa"), (EC, "ES256", "ec")])
def test_a_jwt_of_the_provider_is_taken(key: Any, algorithm: str, kid: str) -> None:
    """Its tenant is the one of the claim; it is no token for scraping."""
    found = identity().principal(token(claims(), key, algorithm, kid=kid))
    assert (found.tenant, found.subject) == ("a", "openid:u1")
    assert Scope.SCRAPE not in found.scopes


def signed_with_the_public_key() -> list[str]:
    """Return a JWT with an HMAC whose key is the provider's public key, as anyone can make one."""
    public = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [{"alg": "HS256", "typ": "JWT", "kid": "rsa"}, claims()]
    text = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mac = urlsafe_b64encode(hmac.digest(public, text, "sha256")).rstrip(b"=")
    return [f"Bearer {(text + b'.' + mac).decode()}"]


@pytest.mark.parametrize(
    "headers",
    [
        token(claims(), None, "none"),
        token(claims(), b"secretsecretsecretsecretsecretse", "HS256", kid="oct"),
        signed_with_the_public_key(),
        token(claims(), rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        token(claims(), kid="unknown"),
        token(claims(), kid="ec"),
        token(claims(), RSA, "RS512"),
        token(claims(), crit=["exp"]),
        token(claims(), crit=["unknown"]),
        token(claims(iss="https://other.example")),
        token(claims(iss=None)),
        token(claims(aud="other")),
        token(claims(aud=None)),
        token(claims(exp=None)),
        token(claims(sub=None)),
        token(claims(exp=int(time.time()) - 60)),
        token(claims(exp=int(time.time()) + 7200)),
        token(claims(iat=int(time.time()) - 80_000)),
        token(claims(exp=str(int(time.time()) + 600))),
        token(claims(exp=float("inf"))),
        token(claims(exp=10**400)),
        token(claims(nbf=float("inf"))),
        token(claims(nbf=int(time.time()) + 600)),
        token(claims(sub="a\nb")),
        token(claims(tenant="unknown")),
    ],
)
def test_jwts_that_are_not_good_are_refused(headers: list[str]) -> None:
    """Whatever is wrong, the answer is the same."""
    with pytest.raises(UnauthenticatedError):
        identity().principal(headers)


@pytest.mark.parametrize("claim", [None, "", 5, True, [], [""], ["a", 5], [["a"]], {"a": "b"}, "a b", "*"])
def test_a_claim_that_is_no_tenant_is_refused(claim: object) -> None:
    """Numbers, empty and nested values never become a tenant."""
    with pytest.raises(ForbiddenError, match="no tenant"):
        identity().principal(token(claims(tenant=claim)))


def test_a_login_with_several_tenants_names_one() -> None:
    """The header must name one of its own."""
    headers = token(claims(tenant=["a", "b"]))
    assert identity().principal(headers, ["b"]).tenant == "b"
    for wanted in ([], ["a", "b"]):
        with pytest.raises(RequestRefusedError, match="X-Tenant"):
            identity().principal(headers, wanted)
    with pytest.raises(ForbiddenError):
        identity().principal(headers, ["gone"])


def test_suspended_tenants_and_subjects_are_refused() -> None:
    """A JWT that is still valid does not help."""
    for payload in (claims(tenant="gone"), claims(sub="banned")):
        with pytest.raises(ForbiddenError, match="suspended"):
            identity().principal(token(payload))


@pytest.mark.parametrize(
    ("payload", "wanted", "tenant"),
    [
        (claims(tenant="gone"), [], "gone"),
        (claims(sub="u1", tenant="unknown"), [], "unknown"),
        (claims(tenant=["a", "b"]), ["gone"], ""),
        (claims(tenant=["a", "b"]), [], ""),
        (claims(tenant=5), [], ""),
    ],
)
def test_a_refusal_of_a_valid_login_says_whose_it_is(
    payload: dict[str, Any], wanted: list[str], tenant: str
) -> None:
    """The audit has it: a login has tried what another one may."""
    with pytest.raises(RequestRefusedError) as refusal:
        identity().principal(token(payload), wanted)
    assert (refusal.value.subject, refusal.value.tenant) == ("openid:u1", tenant)


def test_a_refusal_of_a_wrong_token_names_no_login() -> None:
    """A JWT that is not valid may have any name in it."""
    for headers in (token(claims(aud="other")), ["Bearer hc_0000000000000000_" + "0" * 64]):
        with pytest.raises(UnauthenticatedError) as refusal:
            identity().principal(headers)
        assert refusal.value.subject == ""


def test_what_is_no_jwks_is_refused() -> None:
    """The keys in use stay."""
    for content in (b"", b"[]", b'{"keys": 5}', b"\xff", b"[" * 100_000):
        with pytest.raises(ValueError, match=r"JWKS|Expecting|decode"):
            read_keys(content)
