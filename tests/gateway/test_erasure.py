"""The operator's process, and the erasure of a tenant in a real store."""

import http.client
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from hostcollector.catalogue.usage import hour_text
from hostcollector.gateway.accounts.accounts import read_accounts
from hostcollector.gateway.audit.chain import lines_of, verify
from hostcollector.gateway.cli import main
from hostcollector.gateway.database import connect
from hostcollector.gateway.settings import AccountSettings, LedgerSettings
from hostcollector.gateway.usage.ledger import Ledger
from tests.gateway.served import PROMETHEUS, Gateway, Got, served
from tests.gateway.stores import victoria_metrics
from tests.gateway.world import VMS, World
from tests.lab.process import end, eventually, spawn, until
from tests.ports import reserved_port
from tests.unit.gateway.usage.records import answer, clock, ledger_name, usage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

SECRET = "0123456789abcdef" * 4
A_TOKEN = {"tenant": "a", "scopes": ["metrics:read"], "seconds": 60}
PROGRAM = "import sys; from hostcollector.gateway.cli import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Console:
    """The operator's process beside a gateway; `file` is its configuration."""

    gateway: Gateway
    store: str
    port: int
    file: Path

    def send(self, method: str, path: str, body: object = None, token: str = SECRET) -> Got:
        """Return the reply to a request of the operator's console."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            content = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, content, {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            return Got(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command with the operator's configuration."""
        command = [sys.executable, "-c", PROGRAM, *arguments, f"--config.file={self.file}"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def series(self, selector: str) -> set[str]:
        """Return the label sets of all series in the store, whatever tenant they are of."""
        url = f"{self.store}/api/v1/series?{urlencode({'match[]': selector, 'start': '1'})}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return {json.dumps(labels, sort_keys=True) for labels in json.load(answer)["data"]}


@contextmanager
def console(directory: Path, store: str, more: str = "") -> Iterator[Console]:
    """Give a gateway on a store, with the operator's process."""
    with served(store, directory / "gateway", workers=1) as gateway, reserved_port() as port:
        secret = directory / "admin-token"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        file = directory / "operator.yml"
        file.write_text(
            f"accounts: {{database: 'sqlite:///{gateway.directory}/accounts.db'}}\n"
            f"ledger: {{database: 'sqlite:///{directory}/ledger.db'}}\n"
            f"audit: {{directory: '{directory}/audit'}}\n"
            f"admin: {{listen_address: '127.0.0.1:{port}', token_file: {secret},\n"
            f"  records_directory: {directory}/erasures, store_retention_days: 35}}\n"
            + (more or f"store: {{url: '{store}'}}\n")
        )
        assert main(["ledger", "upgrade", f"--config.file={file}"]) == 0
        child = spawn(
            [sys.executable, "-c", PROGRAM, "admin", f"--config.file={file}"], directory / "admin.log"
        )
        running = Console(gateway, store, port, file)

        def answers() -> bool:
            assert child.poll() is None, (directory / "admin.log").read_text()
            with suppress(OSError):
                return running.send("GET", "/admin/v1/tenants").status == 200
            return False

        try:
            until(answers, 30.0, "the operator's process")
            yield running
        finally:
            end(child)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, the_world: World) -> Iterator[Console]:
    """Give one on a store of this file's own, because its series are deleted."""
    with (
        victoria_metrics(the_world.all) as store,
        console(tmp_path_factory.mktemp("operator"), store) as running,
    ):
        yield running


def test_the_console_changes_what_the_commands_change(operator: Console) -> None:
    """A tenant, a name for its VM, a short-lived token; suspension and revocation work at once."""
    assert operator.send("POST", "/admin/v1/tenants", {"id": "c", "name": "C"}).document == {}
    made = operator.send(
        "POST", "/admin/v1/tokens", {"tenant": "c", "scopes": ["metrics:read"], "seconds": 600}
    )
    token: str = made.document["token"]
    name = "web \N{ROCKET}"  # two escapes in JSON
    assert operator.send("PUT", f"/admin/v1/tenants/c/vms/{VMS[0]}", {"name": name}).status == 200
    with connect(
        AccountSettings(database=f"sqlite:///{operator.gateway.directory}/accounts.db")
    ).connect() as accounts:
        assert read_accounts(accounts).vm_names["c", VMS[0]] == name

    def status_is(status: int) -> bool:
        return eventually(
            lambda: operator.gateway.ask("/api/v1/vms", token).status == status, 20.0, f"status {status}"
        )

    assert status_is(200)
    operator.send("POST", "/admin/v1/tenants/c/suspend")
    assert status_is(403)
    operator.send("POST", "/admin/v1/tenants/c/resume")
    assert status_is(200)
    listed: list[dict[str, Any]] = operator.send("GET", "/admin/v1/tokens").document["tokens"]
    assert not [key for one in listed for key in one if "sha" in key or "secret" in key]
    assert operator.send("DELETE", f"/admin/v1/tokens/{token.split('_')[1]}").status == 200
    assert status_is(401)


def test_billing_pulls_every_tenants_records_with_a_cursor(operator: Console) -> None:
    """The operator's process and the command give the same pages, with ledger and sequence number."""
    engine = connect(LedgerSettings(database=f"sqlite:///{operator.file.parent}/ledger.db"))
    ledger = Ledger(engine, lambda: clock(2))
    ledger.list_hosts(["hv1:10177"])
    ledger.take(answer([usage(1), usage(2, tenant="", vm=2), usage(3, tenant="e", vm=3)]))
    engine.dispose()
    records, cursor, more = [], "p0", "true"
    while more == "true":
        got = operator.send("POST", "/admin/v1/usage/records", {"cursor": cursor, "limit": 2})
        assert got.status == 200
        records += [json.loads(line)["data"] for line in got.body.splitlines()]
        cursor, more = got.headers["Hostcollector-Cursor"], got.headers["Hostcollector-More"]
    assert [(record["tenant"], record["sequence"]) for record in records] == [("a", 1), ("", 2), ("e", 3)]
    assert {record["ledger"] for record in records} == {ledger_name(1)}
    printed = operator.command("ledger", "export", "--limit=2")
    assert printed.stderr.splitlines()[-1] == "cursor=p2 more=true"
    assert [json.loads(line)["data"]["id"] for line in printed.stdout.splitlines()] == [
        r["id"] for r in records[:2]
    ]
    assert operator.send("POST", "/admin/v1/usage/records", {"cursor": "1"}).status == 400
    assert operator.send("POST", "/admin/v1/usage/records", token="x").status == 401
    assert operator.gateway.ask("/admin/v1/usage/records", method="POST").status == 404


def test_a_record_is_corrected_by_console_and_command(operator: Console) -> None:
    """Each correction is in the export with what it corrects; the console's are in the audit."""
    own = usage(3, tenant="e", vm=3)
    wanted = {"id": own.id, "vm": own.vm, "hour": hour_text(own.hour), "meter": "disk_written_bytes"}
    words = {"reason": "a test", "author": "ops"}
    done = operator.send("POST", "/admin/v1/usage/corrections", {**wanted, "amount": 1, **words})
    assert (done.status, done.document["revision"]) == (200, 1)
    again = operator.send("POST", "/admin/v1/usage/corrections", {**wanted, "amount": 1, **words})
    assert again.status == 409
    flags = [f"--{name}={value}" for name, value in (wanted | words).items() if name != "id"]
    printed = operator.command("ledger", "correct", own.id, "--amount=5", *flags)
    assert printed.stdout.split()[1:] == ["revision=2", "difference=4"]
    assert operator.command("ledger", "correct", own.id, "--amount=5", *flags).returncode == 1
    exported = operator.command("ledger", "export", "--cursor=p3").stdout
    events = [json.loads(line)["data"] for line in exported.splitlines()]
    assert [(event["corrects"], event["meters"]) for event in events] == [
        (own.id, {"disk_written_bytes": -1999}),
        (own.id, {"disk_written_bytes": 4}),
    ]
    route = "POST /admin/v1/usage/corrections"
    audit = [json.loads(line) for line in lines_of(operator.file.parent / "audit", "admin")]
    decisions = [line["decision"] for line in audit if line.get("route") == route]
    assert decisions == ["begun", "done", "begun", "failed"]


def test_wrong_requests_change_nothing_and_say_why(operator: Console) -> None:
    """Unknown keys, plans, tenants, bodies and paths; a listing is the same before and after."""
    before = operator.send("GET", "/admin/v1/tenants").document
    for method, path, body, status in (
        ("POST", "/admin/v1/tenants", {"id": "d", "plan": "gold"}, 409),
        ("POST", "/admin/v1/tenants", {"id": "d", "colour": "red"}, 400),
        ("POST", "/admin/v1/tenants", {"id": "../d"}, 409),
        ("POST", "/admin/v1/tenants", ["d"], 400),
        ("POST", "/admin/v1/tenants", {"id": "d", "name": "x" * 70_000}, 413),
        ("POST", "/admin/v1/tenants", {"id": "d", "name": "\ud800"}, 400),
        ("POST", "/admin/v1/tenants", {"id": "d", "name": "a\u2028b"}, 400),
        ("POST", "/admin/v1/tenants", b'{"id": "d", "id": "e"}', 400),
        ("POST", "/admin/v1/tenants", b'{"id": ' + b"[" * 30_000, 400),
        ("POST", "/admin/v1/tenants", '{"id": "d", "name": "a\u2028b"}'.encode(), 400),
        ("POST", "/admin/v1/tokens", {**A_TOKEN, "vms": [""]}, 400),
        ("POST", "/admin/v1/tokens", {**A_TOKEN, "vms": [VMS[0].upper()]}, 409),
        ("POST", "/admin/v1/tokens", {"tenant": "unknown", "scopes": ["promql"], "seconds": 60}, 409),
        ("POST", "/admin/v1/tokens", {"tenant": "a", "scopes": ["everything"], "seconds": 60}, 400),
        ("POST", "/admin/v1/tenants/a/erase", {"confirm": "b"}, 409),
        ("POST", "/admin/v1/tenants/a/erase", {}, 400),
        ("PATCH", "/admin/v1/tenants", {}, 405),
        ("GET", "/admin/v1/tenants/", None, 404),
        ("GET", "/metrics", None, 404),
    ):
        got = operator.send(method, path, body)
        assert (got.status, path) == (status, path)
        assert got.document["detail"]
    assert operator.send("GET", "/admin/v1/tenants").document == before


@pytest.mark.parametrize("token", ["", "wrong", SECRET[:-1], SECRET + "0", "tenant"])
def test_only_the_operator_is_answered(operator: Console, token: str) -> None:
    """No credential, a wrong one, and a tenant's token with every scope: 401, and nothing is recorded."""
    given = operator.gateway.token if token == "tenant" else token
    for method, path in (("GET", "tenants"), ("POST", "tenants/a/erase"), ("GET", "nothing")):
        assert operator.send(method, f"/admin/v1/{path}", token=given).status == 401


def test_the_tenants_listener_has_no_way_to_the_operators_side(operator: Console) -> None:
    """Neither the console's paths nor the store's deletion exist there, with any token."""
    paths = ("/admin/v1/tenants", "/api/v1/admin/tsdb/delete_series", f"{PROMETHEUS}admin/tsdb/delete_series")
    for path in paths:
        for method in ("GET", "POST", "DELETE"):
            assert operator.gateway.ask(path, method=method).status == 404
            assert operator.gateway.ask(path, SECRET, method=method).status == 401


def test_an_erased_tenant_leaves_nothing_and_others_keep_everything(operator: Console) -> None:
    """Series of the one are gone, each other series is there; tokens end; the record says what remains."""
    a, rest = operator.series('{tenant="a"}'), operator.series('{tenant!~"a|b"}')
    assert operator.series('{tenant="b"}')
    assert rest
    at = str(_newest(operator))

    def answer() -> Any:
        query = "sum by (vm) (vm_state)"
        return operator.gateway.ask(f"{PROMETHEUS}query", query=query, time=at).document["data"]["result"]

    before = answer()
    assert before
    record = operator.send("POST", "/admin/v1/tenants/b/erase", {"confirm": "b"}).document
    assert record["complete"]
    assert [step["data"] for step in record["done"]] == ["requests", "series", "usage", "tokens and names"]
    assert record["done"][2]["result"].startswith("reduced 0 records")
    assert {one["where"] for one in record["remains"]} >= {"the tenants' store", "the audit's files"}
    assert operator.series('{tenant="b"}') == set()
    assert operator.series('{tenant="a"}') == a
    assert operator.series('{tenant!~"a|b"}') == rest
    assert answer() == before
    gateway = operator.gateway
    assert eventually(lambda: gateway.ask("/api/v1/vms", gateway.other).status == 401, 20.0, "401")
    written = [json.loads(file.read_text()) for file in (operator.file.parent / "erasures").iterdir()]
    assert record in written
    again = operator.command("tenant", "erase", "b", "--confirm=b")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["complete"]


def test_changes_are_in_a_chain_of_their_own(operator: Console) -> None:
    """Each change is recorded before and after it is made, with the credential; no body is in it."""
    operator.send("POST", "/admin/v1/tenants/a/resume")
    directory = operator.file.parent / "audit"
    assert not verify(lines_of(directory, "admin")).fault
    text = "".join(file.read_text() for file in directory.iterdir())
    assert '"who":"token"' in text.replace(" ", "")
    assert SECRET not in text
    assert text.count("POST /admin/v1/tenants/{tenant}/resume") >= 2


def test_a_store_that_refuses_leaves_a_record_that_says_so(tmp_path: Path) -> None:
    """The tenant stays shut out, its tokens stay, and the whole can be repeated."""
    with console(tmp_path, "http://127.0.0.1:9") as operator:
        done = operator.command("tenant", "erase", "b", "--confirm=b")
        assert done.returncode == 1
        record = json.loads(done.stdout)
        assert not record["complete"]
        assert [step["succeeded"] for step in record["done"]] == [True, False]
        gateway = operator.gateway
        assert eventually(lambda: gateway.ask("/api/v1/vms", gateway.other).status == 403, 20.0, "403")
        refused = operator.command("tenant", "erase", "b", "--confirm=a")
        assert refused.returncode == 2
        assert "nothing was erased" in refused.stderr


def _newest(operator: Console) -> int:
    url = f"{operator.store}/api/v1/query?query={'max(timestamp(vm_state))'}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return int(float(json.load(answer)["data"]["result"][0]["value"][1]))


@pytest.mark.parametrize(
    ("admin", "complaint"),
    [
        ("listen_address: '127.0.0.1:1'", "token_file is needed"),
        ("listen_address: ':1', token_file: {secret}", "with TLS is needed"),
    ],
)
def test_an_open_console_does_not_start(
    tmp_path: Path, admin: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a credential, or beyond this machine without TLS, the process says what is missing."""
    secret = tmp_path / "admin-token"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    file = tmp_path / "operator.yml"
    file.write_text(
        f"accounts: {{database: 'sqlite:///{tmp_path}/accounts.db'}}\n"
        f"admin: {{{admin.replace('{secret}', str(secret))}}}\n"
    )
    assert main(["database", "upgrade", f"--config.file={file}"]) == 0
    assert main(["admin", f"--config.file={file}"]) == 2
    assert complaint in capsys.readouterr().err
