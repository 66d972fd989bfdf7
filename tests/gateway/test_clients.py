"""Clients that were written elsewhere read a tenant's data: validators, a Prometheus, a library of PyPI."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from openapi_spec_validator import validate
from prometheus_api_client import PrometheusConnect

from hostcollector.gateway.api.openapi import openapi
from tests.gateway.served import Gateway, served
from tests.gateway.stores import victoria_metrics
from tests.gateway.world import VMS, World, world
from tests.lab.process import end, eventually, spawn, until
from tests.lab.prometheus import Prometheus, answers
from tests.lab.root_tree import root_tree
from tests.ports import reserved_port

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def present() -> World:
    """Give a world that ends now: a Prometheus keeps no old samples."""
    return world(time.time_ns() % 2**32, int(time.time()))


@pytest.fixture(scope="module")
def gateway(present: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Give a gateway on a store with everything, with a plan for clients that ask often."""
    directory = tmp_path_factory.mktemp("clients")
    plans = directory / "plans.yml"
    plans.write_text("plans: {detailed: {requests_per_minute: 1000000}}\n")
    with victoria_metrics(present.all) as store, served(store, directory, plans=str(plans)) as running:
        yield running


def test_the_description_is_openapi() -> None:
    """A validator of the specification finds no fault in openapi.json."""
    validate(openapi())


def test_a_property_tester_finds_no_fault(gateway: Gateway, tmp_path: Path) -> None:
    """Requests made from openapi.json, good and bad ones: each answer is as the description says."""
    # That an end comes after its start, and how long a range may be, is nothing that a schema can say.
    (tmp_path / "schemathesis.toml").write_text(
        '[[operations]]\ninclude-path = "/api/v1/vms/{vm}/series"\n'
        'checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404"]\n'
    )
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(gateway.ask("/api/v1/openapi.json").document))
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", str(document), f"--url=http://127.0.0.1:{gateway.port}"),
        f"--header=Authorization: Bearer {gateway.token}",
        *("--max-examples=10", "--phases=examples,coverage,fuzzing", "--no-color"),
    ]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=200)
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]


def test_a_library_reads_the_tenants_series(gateway: Gateway, present: World) -> None:
    """prometheus-api-client: names, labels, an instant and a range, with a token as header."""
    client = PrometheusConnect(
        url=f"http://127.0.0.1:{gateway.port}/prometheus",
        headers={"Authorization": f"Bearer {gateway.token}"},
    )
    assert "vm_cpu_seconds_total" in client.all_metrics()
    assert client.get_label_values("tenant") == ["a"]
    found = client.custom_query("vm_memory_available_bytes", params={"time": str(present.end)})
    assert {row["metric"]["vm"] for row in found} == set(VMS)
    rows = client.custom_query_range(
        "vm_memory_available_bytes",
        start_time=present.moment - timedelta(hours=1),
        end_time=present.moment,
        step="60",
    )
    assert {row["metric"]["tenant"] for row in rows} == {"a"}
    assert all(len(row["values"]) > 50 for row in rows)


def test_a_prometheus_scrapes_a_tenant(gateway: Gateway, present: World, tmp_path: Path) -> None:
    """With the token in a file: the samples keep their own times, and no other tenant's are there."""
    (tmp_path / "token").write_text(gateway.token)
    with reserved_port() as port:
        server = Prometheus(tmp_path / "prometheus", port)
        command = server.command(f"127.0.0.1:{gateway.port}")
        configuration = server.directory / "prometheus.yml"
        configuration.write_text(
            configuration.read_text()
            + "    metrics_path: /api/v1/scrape\n"
            + f"    authorization: {{credentials_file: '{tmp_path}/token'}}\n"
        )
        child = spawn(command, tmp_path / "log")
        try:
            until(lambda: answers(f"{server.url}/-/ready"), 30.0, "Prometheus")
            query = "count by (tenant) (vm_state)"
            assert eventually(lambda: bool(server.by_label(query, "tenant")), 60.0, "a scrape")
            assert server.by_label("up", "job") == {"hostcollector": 1.0}
            assert set(server.by_label('count by (tenant) ({__name__=~"vm_.+|secret"})', "tenant")) == {"a"}
            times = server.by_label("timestamp(vm_memory_available_bytes)", "vm")
            assert times == dict.fromkeys(VMS, float(present.end))
        finally:
            end(child)


@pytest.fixture(scope="module")
def promtool(gateway: Gateway) -> Iterator[Callable[..., str]]:
    """Give Debian 13's promtool, which sends headers, with a token in its configuration file."""
    tree = root_tree("promtool", "trixie", ("prometheus",))
    with tempfile.TemporaryDirectory(prefix="hostcollector-promtool-", dir=tree / "tmp") as name:
        inside = f"/tmp/{Path(name).name}"

        def ask(*command: str, token: str = gateway.token) -> str:
            configuration = Path(name) / "http.yml"
            configuration.write_text(json.dumps({"authorization": {"type": "Bearer", "credentials": token}}))
            what, *rest = command
            server = f"http://127.0.0.1:{gateway.port}/prometheus"
            # The flags, the address and the query, in this sequence.
            words = [word.replace("SERVER", server) for word in rest]
            made = [
                "chroot",
                str(tree),
                "promtool",
                "query",
                what,
                f"--http.config.file={inside}/http.yml",
                *words,
            ]
            found = subprocess.run(made, capture_output=True, text=True, check=False, timeout=60)
            return found.stdout if found.returncode == 0 else f"failed: {found.stderr}"

        yield ask


@pytest.mark.full
def test_promtool_reads_a_tenant_with_a_header(
    gateway: Gateway, present: World, promtool: Callable[..., str]
) -> None:
    """Instant and range queries, series and values of a label: the tenant's, and no word of another's."""
    end = present.end
    answers = {
        "instant": promtool("instant", "-o", "json", f"--time={end}", "SERVER", '{__name__!=""}'),
        "range": promtool(
            *("range", "-o", "json", f"--start={end - 600}", f"--end={end}", "--step=60s", "SERVER"),
            "rate(vm_cpu_seconds_total[5m])",
        ),
        "series": promtool(
            "series", '--match={__name__=~".+"}', f"--start={end - 600}", f"--end={end}", "SERVER"
        ),
        "labels": promtool("labels", f"--start={end - 600}", f"--end={end}", "SERVER", "vm"),
    }
    for what, answer in answers.items():
        assert not answer.startswith("failed"), (what, answer)
        assert all(vm in answer for vm in VMS), (what, answer)
        assert not [word for word in present.secrets if word in answer], what
    assert {row["metric"]["tenant"] for row in json.loads(answers["instant"])} == {"a"}
    assert all(len(row["values"]) == 11 for row in json.loads(answers["range"]))
    assert set(answers["labels"].split()) == set(VMS)
    other = promtool("instant", f"--time={end}", "SERVER", "vm_state", token=gateway.other)
    assert VMS[1] not in other
    assert "failed" in promtool("instant", "SERVER", "vm_state", token="hc_0000000000000000_" + "0" * 64)
