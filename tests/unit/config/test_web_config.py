"""The web-config file: the exporter toolkit's format, strictly."""

from pathlib import Path

import pytest

from hostcollector.base.errors import ConfigError
from hostcollector.config.files import read_bytes
from hostcollector.config.web_config import (
    ClientAuthType,
    HttpServerConfig,
    TlsServerConfig,
    TlsVersion,
    WebConfig,
    read_web_config,
)

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
EVERYTHING = f"""
tls_server_config:
  cert_file: /etc/hostcollector/tls.crt
  key_file: tls.key
  client_ca_file: clients.pem
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [prometheus.example, 192.0.2.7]
  min_version: TLS13
  max_version: TLS13
http_server_config:
  http2: false
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Frame-Options: deny
basic_auth_users:
  prometheus: {HASH}
  "ops team": {HASH}
"""
PAIR = "cert_file: c, key_file: k"


def problems(text: str) -> tuple[str, ...]:
    """Return what is wrong with a document."""
    with pytest.raises(ConfigError) as caught:
        read_bytes(text.encode(), "web.yml", WebConfig)
    assert caught.value.origin == "web.yml"
    return caught.value.problems


def test_every_key_arrives() -> None:
    """Every key of the documented subset is where it belongs."""
    assert read_bytes(EVERYTHING.encode(), "web.yml", WebConfig) == WebConfig(
        tls_server_config=TlsServerConfig(
            cert_file="/etc/hostcollector/tls.crt",
            key_file="tls.key",
            client_ca_file="clients.pem",
            client_auth_type=ClientAuthType.REQUIRED,
            client_allowed_sans=("prometheus.example", "192.0.2.7"),
            min_version=TlsVersion.TLS13,
            max_version=TlsVersion.TLS13,
        ),
        http_server_config=HttpServerConfig(
            headers={"Strict-Transport-Security": "max-age=31536000", "X-Frame-Options": "deny"}
        ),
        basic_auth_users={"prometheus": HASH, "ops team": HASH},
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "http_server_config:\n", "http_server_config: {}\n"])
def test_an_empty_file_is_neither_tls_nor_authentication(text: str) -> None:
    """A file whose keys are all commented out is OK."""
    assert read_bytes(text.encode(), "web.yml", WebConfig) == WebConfig()


@pytest.mark.parametrize("users", ["", " {}", " null", " ~"])
def test_a_list_of_users_without_users_is_a_mistake(users: str) -> None:
    """A template with an empty variable, or a full disk, must not open the page."""
    (problem,) = problems(f"basic_auth_users:{users}\n")
    assert problem.startswith("basic_auth_users: there is no user")


@pytest.mark.parametrize(
    "key",
    [
        *("cipher_suites", "curve_preferences", "prefer_server_cipher_suites", "cert", "key", "client_ca"),
        *("client_auth_tpye", "min_versoin"),
    ],
)
def test_a_security_key_that_is_not_known_is_refused(key: str) -> None:
    """Also one that the toolkit has and this does not: nothing is passed over in silence."""
    (problem,) = problems(f"tls_server_config: {{{PAIR}, {key}: x}}")
    assert problem.startswith(f"tls_server_config.{key}: unknown key; ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{path: /tenants/metrics, users: [vmagent]}", "not among basic_auth_users: vmagent"),
        ("{path: /tenants/metrics, certificates: [vmagent]}", "certificates need tls_server_config"),
    ],
)
def test_a_reader_that_cannot_identify_itself_is_a_mistake(text: str, problem: str, tmp_path: Path) -> None:
    """Such an entry closes its path to every client, which no operator wants."""
    file = tmp_path / "web.yml"
    file.write_text(f"access: {{readers: [{text}]}}\n")
    with pytest.raises(ConfigError, match=problem):
        read_web_config(file)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[{path: /metrics}]", "access.readers[0]: lists no client"),
        ("[{users: [a]}]", "access.readers[0]: path is missing"),
        ("[{path: metrics, users: [a]}]", "access.readers[0].path: expected a path"),
        ("[{path: /m, users: [a]}, {path: /m, users: [b]}]", "access.readers: given twice"),
    ],
)
def test_readers_that_are_none(text: str, problem: str) -> None:
    """An entry has a path, which no other entry has, and a client."""
    (found,) = problems(f"access: {{readers: {text}}}")
    assert found.startswith(problem)


def test_all_problems_come_at_once() -> None:
    """Each with its path and its line."""
    found = problems(
        "tls_server_config:\n  cert_file: c\n  min_version: TLS11\n"
        "http_server_config: {http2: true, headers: {Server: x, X-Frame-Options: allow}}\n"
        "basic_auth_users: {a: secret}\n"
        "rate_limit: {}\n"
    )
    assert [problem.partition("; known here")[0] for problem in found] == [
        "tls_server_config.min_version: expected one of TLS12, TLS13, not the text 'TLS11' (line 3)",
        "http_server_config.http2: HTTP/2 is not spoken: write false or leave it out (line 4)",
        "http_server_config.headers.Server: unknown key",
        "http_server_config.headers.'X-Frame-Options': expected one of deny, sameorigin (line 4)",
        "basic_auth_users.a: expected a bcrypt hash, as `htpasswd -nBC 10 USER` prints it (line 5)",
        "rate_limit: unknown key",
    ]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("key_file: k", ": cert_file is missing: TLS needs a certificate and its key"),
        ("cert_file: c", ": key_file is missing: TLS needs a certificate and its key"),
        (
            f"{PAIR}, client_auth_type: RequireAndVerifyClientCert",
            ".client_ca_file: missing: RequireAndVerifyClientCert checks clients against it",
        ),
        (
            f"{PAIR}, client_ca_file: a",
            ".client_auth_type: missing: client_ca_file alone does not request a certificate",
        ),
        (
            f"{PAIR}, client_ca_file: a, client_auth_type: VerifyClientCertIfGiven, client_allowed_sans: [x]",
            ".client_allowed_sans: needs client_auth_type RequireAndVerifyClientCert",
        ),
        (f"{PAIR}, min_version: TLS13, max_version: TLS12", ".min_version: TLS13 is above max_version TLS12"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(section: str, problem: str) -> None:
    """Half a setting would look like protection and be none."""
    assert problems(f"tls_server_config: {{{section}}}") == (f"tls_server_config{problem} (line 1)",)


@pytest.mark.parametrize("kind", ["RequestClientCert", "RequireAnyClientCert", "yes"])
def test_certificates_without_a_check_are_not_offered(kind: str) -> None:
    """Go's types that take any certificate would look like authentication."""
    (problem,) = problems(f"tls_server_config: {{{PAIR}, client_auth_type: {kind}}}")
    assert "client_auth_type: expected one of NoClientCert, VerifyClientCertIfGiven, Require" in problem


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        "''",
        "'{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs='",
        "$1$salt$hash",
        f"{HASH}x",
        "$2b$10$" + "a" * 53,
        "7",
        "[a]",
        "{a: b}",
    ],
)
def test_what_is_not_a_bcrypt_hash_is_refused_and_not_repeated(value: str) -> None:
    """It may be the password itself: the message must not carry it into a log."""
    (problem,) = problems(f"basic_auth_users:\n  prometheus: {value}\n")
    assert problem == (
        "basic_auth_users.prometheus: expected a bcrypt hash, as `htpasswd -nBC 10 USER` prints it (line 2)"
    )


@pytest.mark.parametrize("cost", ["03", "15", "31"])
def test_a_hash_that_takes_for_ever_is_refused(cost: str) -> None:
    """A check of cost 14 takes a second; beyond that a scrape would not wait for it."""
    (problem,) = problems(f"basic_auth_users: {{a: {HASH.replace('$10$', f'${cost}$')}}}")
    assert problem == f"basic_auth_users.a: expected a bcrypt hash of cost 4 to 14, not {cost} (line 1)"


@pytest.mark.parametrize("user", ['"a:b"', '""', '"a\\nb"'])
def test_a_user_that_http_cannot_carry_is_refused(user: str) -> None:
    """A name with a colon could never log in."""
    (problem,) = problems(f"basic_auth_users: {{{user}: {HASH}}}")
    assert "not a user name that HTTP can carry" in problem


@pytest.mark.parametrize("value", ['"a\\r\\nb"', '"ü"', '""', "7"])
def test_a_header_cannot_begin_another_one(value: str) -> None:
    """Line breaks, what is not ASCII and what is no text do not get into a header."""
    (problem,) = problems(f"http_server_config: {{headers: {{X-XSS-Protection: {value}}}}}")
    assert problem.startswith("http_server_config.headers.'X-XSS-Protection': expected ")
