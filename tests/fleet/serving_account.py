"""What the account that serves tenants can do on a host, with the gateway's own credentials."""

from collections.abc import Iterable, Mapping

from tests.fleet.gateways import ETC
from tests.fleet.host import Host

ACCOUNT = "hostcollector-gateway"
PYTHON = "/opt/hostcollector-gateway/current/bin/python"
REQUEST = """
import os, ssl, sys, urllib.error, urllib.request
own = os.environ["CREDENTIALS_DIRECTORY"]
context = ssl.create_default_context(cafile=f"{own}/store-ca.pem")
context.load_cert_chain(f"{own}/store-client.crt", f"{own}/store-client.key")
for method, url in zip(*[iter(sys.argv[1:])] * 2):
    request = urllib.request.Request(url, b"" if method == "POST" else None)
    try:
        print(urllib.request.urlopen(request, timeout=20, context=context).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""
STATEMENTS = """
import os, sys, psycopg
url, secret, *statements = sys.argv[1:]
password = open(os.path.join(os.environ["CREDENTIALS_DIRECTORY"], secret)).read().strip()
with psycopg.connect(url, password=password, autocommit=True) as connection:
    for statement in statements:
        try:
            connection.execute(statement)
            print("done")
        except psycopg.Error as error:
            print(type(error).__name__)
"""


def requests(host: Host, methods: Mapping[str, str]) -> list[str]:
    """Return the status of a request to each address, by its method, with the certificate for the store."""
    return _run(host, REQUEST, *(word for url, method in methods.items() for word in (method, url)))


def statements(host: Host, url: str, secret: str, wanted: Iterable[str]) -> list[str]:
    """Return what a database says to each statement: "done", or the name of the error."""
    return _run(host, STATEMENTS, url, secret, *wanted)


def _run(host: Host, program: str, *words: str) -> list[str]:
    names = host.run("ls", f"{ETC}/credentials").split()
    credentials = [f"--property=LoadCredential={name}:{ETC}/credentials/{name}" for name in names]
    command = ("systemd-run", "--wait", "--pipe", "--quiet", f"--uid={ACCOUNT}", *credentials)
    return host.run(*command, PYTHON, "-c", program, *words).splitlines()
