"""The gateway over HTTP: what each route answers, what is refused, and what no tenant learns."""

import base64
import csv
import gzip
import http.client
import io
import json
import re
import signal
import socket
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.api.call import LATEST
from tests.gateway.conftest import Pair
from tests.gateway.served import DAY, PROMETHEUS, Gateway, relay, served
from tests.gateway.world import VMS, World
from tests.lab.process import Process, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

STORES_OWN: dict[str, Any] = {
    "extra_label": "tenant=b",
    "extra_filters[]": '{tenant="b"}',
    "stats": "all",
    "trace": "1",
}
"""Parameters that the store knows and no tenant may set."""

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def gateway(victoria: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Give a gateway on the store with everything."""
    with served(victoria.everything, tmp_path_factory.mktemp("gateway")) as running:
        yield running


def test_each_tenant_sees_its_own(gateway: Gateway, the_world: World) -> None:
    """The same request with another token has other data."""
    found = [
        gateway.ask(f"{PROMETHEUS}query", token, query="vm_state", time=str(the_world.end)).document
        for token in (gateway.token, gateway.other)
    ]
    tenants = [{row["metric"]["tenant"] for row in one["data"]["result"]} for one in found]
    assert tenants == [{"a"}, {"b"}]


def test_what_grafana_asks_is_answered(gateway: Gateway, the_world: World) -> None:
    """The calls of Grafana's Prometheus data source: saving, the query editor, a panel, variables."""
    end = str(the_world.end)
    start = str(the_world.end - 3600)
    matching: dict[str, Any] = {"match[]": "vm_state", "start": start, "end": end}
    query = f"query=vm_state&start={start}&end={end}&step=60".encode()
    calls = {
        "status/buildinfo": gateway.ask(f"{PROMETHEUS}status/buildinfo"),
        "query": gateway.ask(f"{PROMETHEUS}query", method="POST", body=b"query=1%2B1&time=4", headers=FORM),
        "query_range": gateway.ask(f"{PROMETHEUS}query_range", method="POST", body=query, headers=FORM),
        "metadata": gateway.ask(f"{PROMETHEUS}metadata", limit="10"),
        "labels": gateway.ask(f"{PROMETHEUS}labels", start=start, end=end),
        "values": gateway.ask(f"{PROMETHEUS}label/__name__/values", start=start, end=end),
        "series": gateway.ask(f"{PROMETHEUS}series", **matching),
        "rules": gateway.ask(f"{PROMETHEUS}rules"),
        "alerts": gateway.ask(f"{PROMETHEUS}alerts"),
        "query_exemplars": gateway.ask(f"{PROMETHEUS}query_exemplars", query="x", start=start, end=end),
    }
    assert {name: one.status for name, one in calls.items()} == dict.fromkeys(calls, 200)
    assert {one.document["status"] for one in calls.values()} == {"success"}
    assert len(calls["query_range"].document["data"]["result"]) == 4
    assert "vm_state" in calls["values"].document["data"]
    assert calls["metadata"].document["data"]["vm_cpu_seconds_total"][0]["type"] == "counter"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["instant", "{url}", "last_over_time(vm_state[1h])"], 'tenant="a"'),
        (["range", "{url}", "vm_state", "--start={start}", "--end={end}", "--step=1m"], 'tenant="a"'),
        (["series", "{url}", "--match=vm_state", "--start={start}", "--end={end}"], 'tenant="a"'),
        (["labels", "{url}", "vm", "--start={start}", "--end={end}"], VMS[0]),
    ],
    ids=["instant", "range", "series", "labels"],
)
def test_promtool_reads_the_tenants_series(
    gateway: Gateway, the_world: World, arguments: list[str], wanted: str
) -> None:
    """A client that was written elsewhere. It sends no header itself, so a relay adds the token."""
    with relay(gateway) as url:
        times = {"start": the_world.end - 1800, "end": the_world.end}
        command = ["promtool", "query", *(one.format(url=url, **times) for one in arguments)]
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert wanted in found.stdout, found.stderr
    assert 'tenant="b"' not in found.stdout


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/api/v1/query",
        "/api/v1/admin/tsdb/delete_series",
        f"{PROMETHEUS}admin/tsdb/delete_series",
        f"{PROMETHEUS}targets",
        f"{PROMETHEUS}status/config",
        f"{PROMETHEUS}status/tsdb",
        f"{PROMETHEUS}status/top_queries",
        f"{PROMETHEUS}status/active_queries",
        f"{PROMETHEUS}series/count",
        f"{PROMETHEUS}export",
        f"{PROMETHEUS}import",
        f"{PROMETHEUS}write",
        f"{PROMETHEUS}read",
        f"{PROMETHEUS}federate",
        "/prometheus/federate",
        "/prometheus/graph",
        "/federate",
        "/graphite/render",
        "/render",
        "/metrics/find",
        f"{PROMETHEUS}query/",
        f"{PROMETHEUS}/query",
        f"{PROMETHEUS}%71uery",
        f"{PROMETHEUS}../v1/query",
        f"{PROMETHEUS}label/a%2fb/values",
        f"{PROMETHEUS}label/a%252fb/values",
        f"{PROMETHEUS}label/../values",
        f"{PROMETHEUS}label//values",
        "//prometheus/api/v1/query",
        "/prometheus/api/v1/query;x",
    ],
)
def test_every_other_path_is_not_found(gateway: Gateway, path: str) -> None:
    """What Prometheus and VictoriaMetrics offer beside the list is not there; Grafana knows these words."""
    found = gateway.raw(path, headers={"Authorization": f"Bearer {gateway.token}"})
    assert found.status == 404
    assert b"page not found" in found.body


@pytest.mark.parametrize(
    ("method", "target", "body", "headers", "status"),
    [
        ("POST", "query?query=secret", b"query=vm_state", FORM, 400),
        ("POST", "query", b"query=vm_state&query=secret", FORM, 400),
        ("GET", "query?query=vm_state&query=secret", None, {}, 400),
        ("GET", "query?query=1&extra_label=tenant=b&time=1&time=2", None, {}, 400),
        ("GET", "query", b"query=vm_state", FORM, 413),
        ("POST", "query", b"query=vm_state", {"Content-Type": "application/json"}, 400),
        ("POST", "query", gzip.compress(b"query=1", mtime=0), {**FORM, "Content-Encoding": "gzip"}, 400),
        ("POST", "query", b"query=1" + b"&" * 100_000, FORM, 413),
        ("POST", "query", b"query=\xff%ff", FORM, 400),
        ("PUT", "query", b"query=1", FORM, 405),
        ("DELETE", "series?match[]=vm_state", None, {}, 405),
        ("GET", "query?query=1;query=2", None, {}, 400),
        ("GET", "query", None, {}, 400),
        ("GET", "query?query=1&time=NaN", None, {}, 400),
        ("GET", "query?query=1&time=1e99", None, {}, 400),
        ("GET", "query?query=1&time=4294967296", None, {}, 400),
        ("GET", "query?query=x+offset+106750d&time=9999-12-31T00:00:00Z", None, {}, 400),
        ("GET", "query?query=x+offset+-300000000y", None, {}, 400),
        ("GET", "query_range?query=1&start=5&end=4&step=1", None, {}, 400),
        ("GET", "query_range?query=1&start=1&end=4&step=0", None, {}, 400),
        ("GET", "query_range?query=1&start=1&end=4&step=NaN", None, {}, 400),
        ("GET", "query_range?query=1&start=1&end=4&step=-1", None, {}, 400),
        ("GET", "query_range?query=1&start=1&end=9999999999&step=1", None, {}, 400),
        ("GET", "query_range?query=1&start=1&end=100000&step=0.001", None, {}, 400),
        ("GET", "series", None, {}, 400),
        ("GET", "labels?limit=-1", None, {}, 400),
    ],
)
def test_odd_requests_are_refused(
    gateway: Gateway, method: str, target: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    """No request is read in two ways, and what is refused shows nothing of others."""
    found = gateway.ask(f"{PROMETHEUS}{target}", method=method, body=body, headers=headers)
    assert found.status == status, found.body
    assert found.document["status"] == "error"


@pytest.mark.parametrize("at", [0, 1_700_000_000, LATEST])
def test_the_store_reads_a_time_as_the_gateway_does(gateway: Gateway, at: int) -> None:
    """Otherwise what a plan's history allows would be computed for another instant."""
    found = gateway.ask(f"{PROMETHEUS}query?query=time()&time={at}")
    assert found.document["data"]["result"][0]["value"] == [at, str(at)]


def test_unknown_parameters_and_headers_change_nothing(gateway: Gateway, the_world: World) -> None:
    """Neither the store's own parameters nor the headers of proxies reach it."""
    plain = gateway.ask(f"{PROMETHEUS}query", query="count(vm_state)", time=str(the_world.end))
    odd = gateway.ask(
        f"{PROMETHEUS}query",
        query="count(vm_state)",
        time=str(the_world.end),
        headers={
            "X-Forwarded-For": "127.0.0.1",
            "X-Original-URL": "/api/v1/export",
            "X-Prometheus-Scrape-Timeout-Seconds": "0.000000001",
            "X-Scope-OrgID": "b",
            "X-Tenant": "b",
        },
        **STORES_OWN,
    )
    assert odd.document == plain.document


@pytest.mark.parametrize("connection", ["Authorization", "close, Authorization", "X-Tenant"])
def test_hop_by_hop_headers_take_nothing_away(gateway: Gateway, connection: str) -> None:
    """A Connection header that names Authorization does not make a request anonymous or another's."""
    found = gateway.ask(f"{PROMETHEUS}query", query="1", headers={"Connection": connection})
    assert found.status == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "Bearer x.y.z", "Bearer hc_1_2"])
def test_without_a_good_token_there_is_nothing(gateway: Gateway, header: str) -> None:
    """Every path gives the same 401, whether it exists or not."""
    found = [gateway.raw(path, headers={"Authorization": header}) for path in (f"{PROMETHEUS}query", "/x")]
    assert {one.status for one in found} == {401}
    assert all(one.headers["WWW-Authenticate"].startswith("Bearer") for one in found)


def test_two_authorization_headers_are_none(gateway: Gateway) -> None:
    """Not the first and not the last."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as client:
        client.sendall(
            f"GET {PROMETHEUS}query?query=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: Bearer {gateway.token}\r\nAuthorization: Bearer {gateway.other}\r\n\r\n".encode()
        )
        assert client.makefile("rb").readline().split()[1] == b"401"


def test_two_lengths_are_no_request(gateway: Gateway) -> None:
    """Smuggling needs two readings of one body."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as client:
        client.sendall(
            f"POST {PROMETHEUS}query HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n"
            "Transfer-Encoding: chunked\r\n"
            f"Authorization: Bearer {gateway.token}\r\n\r\n0\r\n\r\n".encode()
        )
        assert client.makefile("rb").readline().split()[1] == b"400"


def everywhere(gateway: Gateway, path: str, token: str, status: int, **parameters: Any) -> bool:
    """Whether 20 requests on new connections, which meet every worker, have this status.

    The first other one ends it: who waits for a change must not use up the requests of the tenant's minute.
    """
    return all(gateway.ask(path, token, **parameters).status == status for _ in range(20))


def test_scopes_and_lists_of_vms_hold(gateway: Gateway) -> None:
    """A token does what it was made for; a list of VMs is for the typed API only."""
    metrics = gateway.changes.issue_token("a", [Scope.METRICS], DAY, vms=[VMS[0]])
    scrape = gateway.changes.issue_token("a", [Scope.SCRAPE], DAY)
    gateway.wait_for_workers()
    assert gateway.ask("/api/v1/scrape", scrape).status == 200
    assert gateway.ask("/api/v1/vms", metrics).status == 200
    assert gateway.ask(f"{PROMETHEUS}query", metrics, query="1").status == 403
    assert gateway.ask("/api/v1/scrape", metrics).status == 403
    assert gateway.ask("/api/v1/vms", scrape).status == 403
    shown = gateway.ask(f"/api/v1/vms/{VMS[0]}/series", metrics, metric="vm_memory_available_bytes")
    hidden = gateway.ask(f"/api/v1/vms/{VMS[1]}/series", metrics, metric="vm_memory_available_bytes")
    assert (shown.status, hidden.status) == (200, 404)


def test_a_revoked_token_and_a_suspended_tenant_are_refused_within_seconds(gateway: Gateway) -> None:
    """Every worker follows: 20 requests on new connections meet both."""
    token = gateway.changes.issue_token("b", [Scope.PROMQL], DAY)

    def statuses(wanted: int) -> bool:
        return everywhere(gateway, f"{PROMETHEUS}query", token, wanted, query="1")

    assert eventually(lambda: statuses(200), 20.0, "the new token")
    gateway.changes.suspend("b")
    assert eventually(lambda: statuses(403), 5.0, "the suspension")
    gateway.changes.suspend("b", suspended=False)
    assert eventually(lambda: statuses(200), 20.0, "the end of the suspension")
    gateway.changes.revoke_token(token.split("_")[1])
    assert eventually(lambda: statuses(401), 5.0, "the revocation")


def test_the_typed_api_lists_vms_and_their_series(gateway: Gateway, the_world: World) -> None:
    """VMs with state, a counter as rates by default, CSV with the same numbers."""
    gateway.changes.name_vm("a", VMS[0], "web <b>1</b>")
    start, end = str(the_world.end - 1800), str(the_world.end)

    def names() -> set[str]:
        return {vm["name"] for vm in gateway.ask("/api/v1/vms").document["vms"]}

    vms = gateway.ask("/api/v1/vms", limit="1").document
    assert [vm["id"] for vm in vms["vms"]] == [min(VMS)]
    assert [vm["id"] for vm in gateway.ask("/api/v1/vms", cursor=vms["next"]).document["vms"]] == [max(VMS)]
    assert eventually(lambda: "web <b>1</b>" in names(), 20.0, "the display name")
    path = f"/api/v1/vms/{VMS[0]}/series"
    asked: dict[str, Any] = {"metric": "vm_cpu_seconds_total", "start": start, "end": end, "step": "60"}
    series = gateway.ask(path, **asked).document
    assert (series["rate"], series["unit"]) == (True, "seconds per second")
    assert [one["labels"] for one in series["series"]] == [{"vcpu": "0"}, {"vcpu": "1"}]
    rows = list(csv.reader(io.StringIO(gateway.ask(path, format="csv", **asked).body.decode())))
    assert rows[0] == ["time", "vcpu", "vm_cpu_seconds_total"]
    points = [[at, one["labels"]["vcpu"], value] for one in series["series"] for at, value in one["points"]]
    assert [[float(at), vcpu, float(value)] for at, vcpu, value in rows[1:]] == points
    assert len(points) > 50


def test_another_tenants_vm_and_an_unknown_one_are_the_same(gateway: Gateway, the_world: World) -> None:
    """The body and the status do not say which of them exists."""
    theirs = next(dict(one.labels)["vm"] for one in the_world.others if dict(one.labels).get("tenant") == "b")
    unknown = "00000000-0000-4000-8000-000000000000"
    for form in ("/api/v1/vms/{}", "/api/v1/vms/{}/series?metric=vm_state"):
        mine, found = gateway.ask(form.format(unknown)), gateway.ask(form.format(VMS[0]), gateway.other)
        assert mine.status == 404
        assert mine.headers["Content-Type"] == "application/problem+json"
        assert found.status == 200  # the same id exists for b too, so only b's data may be in it
        assert gateway.ask(form.format(theirs)).status in {200, 404}


def test_the_scrape_endpoint_has_the_tenants_newest_samples(gateway: Gateway) -> None:
    """In the text format with the samples' own times; asked twice, the store is asked once."""
    first, second = gateway.ask("/api/v1/scrape"), gateway.ask("/api/v1/scrape")
    assert first.status == second.status == 200
    assert "# TYPE vm_cpu_seconds_total counter" in first.body.decode() or first.body == b"\n"
    assert 'tenant="b"' not in first.body.decode()


def test_the_documents_describe_what_is_answered(gateway: Gateway) -> None:
    """openapi.json has each path of the typed API; the catalogue lists only metrics of tenants."""
    document = gateway.ask("/api/v1/openapi.json").document
    assert document["openapi"].startswith("3.1")
    names = [row["name"] for row in gateway.ask("/api/v1/metrics").document["metrics"]]
    assert names == sorted(names)
    assert all(name.startswith("vm_") for name in names)


def test_answers_of_the_store_are_passed_packed(gateway: Gateway, the_world: World) -> None:
    """The store packs, the gateway passes, the client reads the same."""
    query: dict[str, Any] = {"query": "vm_cpu_seconds_total", "time": str(the_world.end)}
    packed = gateway.ask(f"{PROMETHEUS}query", headers={"Accept-Encoding": "gzip"}, **query)
    plain = gateway.ask(f"{PROMETHEUS}query", **query)
    body = (
        zlib.decompress(packed.body, 31) if packed.headers.get("Content-Encoding") == "gzip" else packed.body
    )
    assert json.loads(body) == plain.document


def test_no_reply_log_or_audit_shows_secrets(gateway: Gateway, the_world: World) -> None:
    """Neither tokens nor others' names are anywhere but with their owner."""
    gateway.ask(f"{PROMETHEUS}query", query='secret{tenant="b"}')
    gateway.ask(f"{PROMETHEUS}query", query="vm_state * on() vm_state", time=str(the_world.end))
    written = gateway.log() + json.dumps(gateway.audit()) + gateway.metrics()
    assert gateway.token.rpartition("_")[2] not in written
    assert not [secret for secret in the_world.secrets if secret in written]


def test_every_request_with_a_token_is_audited(gateway: Gateway) -> None:
    """Answers and refusals, with the request's id; the query is there as a hash."""
    good = gateway.ask(f"{PROMETHEUS}query", query="1")
    bad = gateway.ask(f"{PROMETHEUS}query", query="secret(")
    records = {record["id"]: record for record in gateway.audit()}
    found = [records[one.headers["X-Request-Id"]] for one in (good, bad)]
    assert [record["decision"] for record in found] == ["answered", "bad_data"]
    assert {record["tenant"] for record in found} == {"a"}
    assert re.fullmatch("[0-9a-f]{32}", found[0]["query"])


def test_a_valid_token_that_is_refused_is_audited_too(gateway: Gateway) -> None:
    """A suspended customer who sends further requests is in the audit, with the token."""
    token = gateway.changes.issue_token("b", [Scope.METRICS], DAY)
    gateway.changes.suspend("b")
    gateway.wait_for_workers()
    try:
        answer = gateway.ask("/api/v1/vms", token)
    finally:
        gateway.changes.suspend("b", suspended=False)
    (record,) = [one for one in gateway.audit() if one["id"] == answer.headers["X-Request-Id"]]
    assert (record["tenant"], record["who"]) == ("b", f"token:{token.split('_')[1]}")
    assert (record["decision"], record["status"]) == ("forbidden", 403)
    gateway.wait_for_workers()
    assert gateway.ask("/api/v1/vms", token).status == 200


def test_a_request_that_the_gateway_fails_is_audited_too(victoria: Pair, tmp_path: Path) -> None:
    """An error of the gateway's own is no way to ask without a trace."""
    broken = "from hostcollector.gateway.api import prometheus; prometheus.no_rules = lambda: 1 / 0"
    with served(victoria.everything, tmp_path / "gateway", workers=1, prepare=broken) as gateway:
        assert gateway.ask(f"{PROMETHEUS}rules").status == 500
        records = [record for record in gateway.audit() if record["route"] == f"{PROMETHEUS}rules"]
    assert [(record["tenant"], record["decision"]) for record in records] == [("a", "broken off")]


def test_workers_end_with_the_program(victoria: Pair, tmp_path: Path) -> None:
    """A program that is killed leaves no worker behind that goes on answering."""
    with served(victoria.everything, tmp_path) as short:
        found = Path(f"/proc/{short.process.pid}/task/{short.process.pid}/children").read_text().split()
        workers = [Process.of(int(pid)) for pid in found]
        short.process.kill()
        short.process.wait()
        assert len(workers) == 2
        assert eventually(
            lambda: not any(worker.alive() for worker in workers), 20.0, "the end of the workers"
        )


def test_a_killed_worker_is_replaced(gateway: Gateway) -> None:
    """The others go on, and after a moment there are as many as before."""
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children")
    before = children.read_text().split()
    assert len(before) == 2
    subprocess.run(["kill", f"-{signal.SIGKILL.value}", before[0]], check=True)

    def replaced() -> bool:
        now = children.read_text().split()
        return len(now) == 2 and before[0] not in now

    assert eventually(replaced, 30.0, "a new worker")
    assert eventually(lambda: gateway.ask(f"{PROMETHEUS}query", query="1").status == 200, 30.0, "an answer")


@pytest.mark.parametrize("path", ["/", "/api/v1/vms", "/api/v1/openapi.json", f"{PROMETHEUS}labels"])
def test_a_head_is_a_get_without_its_body(gateway: Gateway, path: str) -> None:
    """The same status and kind, and no body: the next request of the connection is answered."""
    got, headed = gateway.ask(path), gateway.ask(path, method="HEAD")
    assert (headed.status, headed.headers["Content-Type"]) == (got.status, got.headers["Content-Type"])
    assert headed.body == b""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    statuses = []
    for method in ("HEAD", "GET"):
        connection.request(method, path, headers={"Authorization": f"Bearer {gateway.token}"})
        answer = connection.getresponse()
        statuses.append(answer.status)
        answer.read()
    connection.close()
    assert statuses == [200, 200]


def test_a_head_needs_what_a_get_needs(gateway: Gateway) -> None:
    """Without a token it is refused, and a path without GET has no HEAD."""
    assert gateway.ask("/api/v1/vms", "", method="HEAD").status == 401
    assert gateway.ask("/api/v1/nothing", method="HEAD").status == 404


def test_no_page_of_another_origin_may_read_an_answer(gateway: Gateway) -> None:
    """By default no reply has a header of CORS, and a preflight request is refused."""
    elsewhere = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for method in ("GET", "OPTIONS"):
        got = gateway.ask("/api/v1/vms", method=method, headers=elsewhere)
        assert not [name for name in got.headers if name.lower().startswith("access-control")]
    assert gateway.raw("/api/v1/vms", method="OPTIONS", headers=elsewhere).status == 401


CONSOLE = "https://console.example"


def test_only_listed_origins_may_read_answers(victoria: Pair, tmp_path: Path) -> None:
    """A listed origin is named in each reply, also in refusals; its like is not, and no cookie is allowed."""
    with served(victoria.everything, tmp_path, workers=1, origins=f"['{CONSOLE}']") as short:
        before = {"Origin": CONSOLE, "Access-Control-Request-Method": "GET"}
        allowed = short.raw("/api/v1/vms", method="OPTIONS", headers=before)
        assert (allowed.status, allowed.body) == (204, b"")
        assert allowed.headers["Access-Control-Allow-Headers"].startswith("Authorization")
        for token in (short.token, "wrong"):
            got = short.ask("/api/v1/vms", token, headers={"Origin": CONSOLE})
            assert got.headers["Access-Control-Allow-Origin"] == CONSOLE
            assert got.headers["Vary"] == "Origin"
            assert "Hostcollector-Cursor" in got.headers["Access-Control-Expose-Headers"]
            assert "Access-Control-Allow-Credentials" not in got.headers
        for like in (f"{CONSOLE}.evil.example", "http://console.example", "null", f"{CONSOLE}:444", "*"):
            got = short.ask("/api/v1/vms", headers={"Origin": like})
            assert "Access-Control-Allow-Origin" not in got.headers


def test_the_operators_page_takes_passwords(tmp_path: Path) -> None:
    """Its own web-config file guards the metrics, not the probes; a tenant's token is no password."""
    web = tmp_path / "operator-web.yml"
    web.write_text(
        f"basic_auth_users: {{prometheus: '{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}'}}\n"
    )
    with served("http://127.0.0.1:9", tmp_path / "gateway", workers=1, operator=str(web)) as short:

        def status(path: str, authorization: str) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", short.operator_port, timeout=30)
            connection.request("GET", path, headers={"Authorization": authorization} if authorization else {})
            found = connection.getresponse().status
            connection.close()
            return found

        basic = "Basic " + base64.b64encode(b"prometheus:secret").decode()
        assert status("/metrics", basic) == 200
        assert status("/metrics", "") == status("/metrics", f"Bearer {short.token}") == 401
        assert status("/-/healthy", "") == 200
