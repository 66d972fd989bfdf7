"""The roles' documented arguments say what their defaults are, and the pinned release is this one."""

import json
import re
from typing import Any

import jinja2
import pytest
import yaml

from hostcollector import __version__
from tests.places import REPOSITORY

ROLES = REPOSITORY / "ansible/roles"


def _load(role: str, file: str) -> Any:
    return yaml.safe_load((ROLES / role / file).read_text())


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir()))
def test_every_default_is_documented_and_equal(role: str) -> None:
    """defaults/main.yml and the entry points of meta/argument_specs.yml name the same variables."""
    documented: dict[str, Any] = {}
    for entry in _load(role, "meta/argument_specs.yml")["argument_specs"].values():
        for name, option in entry["options"].items():
            assert documented.setdefault(name, option["default"]) == option["default"], name
    assert documented == _load(role, "defaults/main.yml")


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir()))
def test_every_variable_bears_the_name_of_its_role(role: str) -> None:
    """So that the variables of two roles never meet."""
    assert all(name.startswith(f"{role}_") for name in _load(role, "defaults/main.yml"))


@pytest.mark.parametrize(
    "text", ["ansible/inventory/example.yml", "docs/gateway.md", "docs/billing.md", "docs/tenant-store.md"]
)
def test_examples_find_their_files_beside_the_inventory(text: str) -> None:
    """Ansible looks for a relative path in roles and beside playbooks, never beside the inventory."""
    paths = re.findall(r"""^[^#\n]*: ["']?([^"'\n]*)\bpki/""", (REPOSITORY / text).read_text(), re.MULTILINE)
    assert paths
    assert set(paths) == {"{{ inventory_dir }}/"}


def test_the_release_that_is_deployed_is_this_one() -> None:
    """The version exists once in the package; the roles pin the same."""
    for role in ("hostcollector", "tenant_gateway"):
        assert _load(role, "defaults/main.yml")[f"{role}_version"] == __version__


def test_shards_keep_different_hosts_of_one_hash() -> None:
    """Each server takes the hosts whose hash has its number, of as many numbers as there are servers."""
    jobs = [
        _jobs("job.yml.j2", fleet_prometheus_shards=3, fleet_prometheus_shard=shard) for shard in range(3)
    ]
    steps = [job["relabel_configs"] for (job,) in jobs]
    assert {hashed["modulus"] for hashed, _ in steps} == {3}
    assert [kept["regex"] for _, kept in steps] == ["0", "1", "2"]
    assert all(hashed["target_label"] == kept["source_labels"][0] for hashed, kept in steps)


@pytest.mark.parametrize(
    ("timeout", "seconds"), [("10s", "10"), ("1m30s", "90"), ("500ms", "0.5"), ("1h", "3600")]
)
def test_the_alert_of_slow_scrapes_has_the_timeout_of_the_scrape_job(timeout: str, seconds: str) -> None:
    """The role's timeout replaces the one that the rules were rendered with; other rules stay as they are."""
    source = (REPOSITORY / "dashboards/rules/alerts.yml").read_text()
    templates = _templates()
    templates.globals["lookup"] = lambda *_: source
    defaults = _load("fleet_prometheus", "defaults/main.yml") | {"fleet_prometheus_scrape_timeout": timeout}
    own = _load("fleet_prometheus", "vars/main.yml")
    parts = templates.compile_expression(own["__fleet_prometheus_timeout_parts"].strip("{} "))(**defaults)
    found = templates.from_string(own["__fleet_prometheus_timeout_seconds"]).render(
        __fleet_prometheus_timeout_parts=parts
    )
    assert found == seconds
    rules = templates.get_template("rules.yml.j2").render(defaults, __fleet_prometheus_timeout_seconds=found)
    [number] = [
        number for number, line in enumerate(source.splitlines()) if "scrape_duration_seconds" in line
    ]
    expected = source.splitlines()
    expected[number] = f'    expr: scrape_duration_seconds{{job="hostcollector"}} > 0.8 * {seconds}'
    assert [line for line in rules.splitlines() if line] == [line for line in expected if line]


def _jobs(template: str, **variables: Any) -> Any:
    """Return what Prometheus reads of the scrape jobs that a template of fleet_prometheus makes."""
    defaults = _load("fleet_prometheus", "defaults/main.yml")
    return yaml.safe_load(_templates().get_template(template).render(defaults | variables))


def _templates() -> jinja2.Environment:
    """Return the role's templates, with the filters of Ansible that they use."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLES / "fleet_prometheus/templates"),
        trim_blocks=True,
        undefined=jinja2.ChainableUndefined,
    )
    templates.filters["to_json"] = json.dumps
    templates.filters["regex_replace"] = lambda text, pattern, new: re.sub(pattern, new, text)
    templates.filters["regex_findall"] = lambda text, pattern: re.findall(pattern, text)
    templates.tests["match"] = lambda text, pattern: re.match(pattern, text) is not None
    return templates


def _gateway_jobs(hosts: dict[str, Any], **variables: Any) -> dict[str, Any]:
    """Return the gateways' scrape jobs by their names, of an inventory with these hosts."""
    groups = {"tenant_gateway": list(hosts)}
    return {
        job["job_name"]: job
        for job in _jobs("gateway_jobs.yml.j2", groups=groups, hostvars=hosts, **variables) or ()
    }


def test_each_worker_of_a_gateway_and_each_intake_is_a_target() -> None:
    """The jobs are those that the alerts ask for; targets have the inventory's name, port and region."""
    config = {"web": {"workers": 3}, "operator": {"listen_address": ":9179"}}
    intake = {"intake": {"listen_address": "192.0.2.51:10189"}}
    hosts: dict[str, dict[str, Any]] = {
        "one": {"ansible_host": "192.0.2.51", "region": "north", "tenant_gateway_config": config},
        "two": {"tenant_gateway_config": {"operator": {"listen_address": "192.0.2.52:10179"}}},
    }
    hosts["one"]["tenant_gateway_intake_config"] = intake
    jobs = _gateway_jobs(hosts, fleet_prometheus_gateway_job={"basic_auth": {"username": "monitor"}})
    parameters = yaml.safe_load((REPOSITORY / "dashboards/alerts/parameters.yml").read_text())
    wanted = [parameters[f"{name}_selector"] for name in ("gateway", "intake")]
    assert [f'job="{name}"' for name in jobs] == wanted
    gateways, intakes = (
        {
            one["labels"]["instance"]: (*one["targets"], one["labels"].get("region"))
            for one in job["static_configs"]
        }
        for job in jobs.values()
    )
    assert gateways == {
        **{f"one:{port}": (f"192.0.2.51:{port}", "north") for port in (9179, 9180, 9181)},
        **{f"two:{port}": (f"two:{port}", None) for port in (10179, 10180)},
    }
    assert intakes == {"one:10189": ("192.0.2.51:10189", "north")}
    for job in jobs.values():
        assert (job["scheme"], job["basic_auth"]) == ("https", {"username": "monitor"})
        assert job["tls_config"]["ca_file"] == "/etc/prometheus/hostcollector-ca.pem"


def test_a_gateway_whose_metrics_stay_on_its_machine_has_no_target() -> None:
    """The default is a loopback address: such a target would be down for ever, and alert."""
    plain = {"scheme": "http"}
    for address in ("127.0.0.1:10179", "localhost:10179", "[::1]:10179"):
        config = {"operator": {"listen_address": address}}
        assert _gateway_jobs({"one": {"tenant_gateway_config": config}}) == {}
    assert _gateway_jobs({"one": {}}) == {}
    away = {"tenant_gateway_config": {"operator": {"listen_address": ":10179"}}}
    job = _gateway_jobs({"one": {}, "two": away}, fleet_prometheus_gateway_job=plain)["hostcollector-gateway"]
    assert [one["targets"] for one in job["static_configs"]] == [["two:10179"], ["two:10180"]]
    assert job["scheme"] == "http"
    assert "tls_config" not in job
