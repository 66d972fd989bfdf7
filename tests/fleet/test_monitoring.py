"""The playbook for a Prometheus whose configuration is the operator's: it adds files, and changes none."""

from pathlib import Path

import pytest

from tests.fleet.fleet import Fleet
from tests.fleet.monitoring import running
from tests.fleet.playbook import Outcome
from tests.lab.process import until

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(600)]

# Prometheus 2.42 has no scrape_config_files: there the operator writes the job, and follows the targets.
OPERATORS = """\
# The operator's own words, in the operator's own order.
global:
    scrape_interval: 1s
    external_labels: {{replica: a, region: "north"}}
remote_write:
  - url: http://127.0.0.1:1/api/v1/write   # a store that does not answer; it may need named.key again
rule_files: ["rules/*.yml"]
scrape_configs:
  - job_name: node
    static_configs: [targets: ["127.0.0.1:9090"]]
  - job_name: hostcollector
    scheme: https
    tls_config:
      ca_file: {directory}/hostcollector-ca.pem
      cert_file: {directory}/hostcollector.crt
      key_file: {directory}/hostcollector.key
    file_sd_configs:
      - files: [file_sd/*.yml]
"""
TWO_JOBS = """\
global: {external_labels: {replica: a}}
remote_write: [url: "http://127.0.0.1:1/api/v1/write"]
rule_files: ["own/*.yml"]
scrape_configs:
  - {job_name: node, static_configs: [targets: ["127.0.0.1:9090"]]}
  - {job_name: dcgm, static_configs: [targets: ["127.0.0.1:9090"]]}
"""


def _monitoring(fleet: Fleet, directory: Path, **variables: object) -> Outcome:
    """Run the playbook on a Prometheus with this directory, with the role's defaults."""
    defaults = {"fleet_prometheus_directory": str(directory), "fleet_prometheus_manage_config": False}
    return fleet.playbooks.run("monitoring", "--limit=prometheus", **{**defaults, **variables})


def _prometheus(fleet: Fleet, name: str, configuration: str) -> Path:
    directory = fleet.directory / name
    (directory / "rules").mkdir(parents=True)
    (directory / "prometheus.yml").write_text(configuration.format(directory=directory))
    return directory


def test_an_operators_configuration_gains_targets_and_rules_and_keeps_every_byte(deployed: Fleet) -> None:
    """Every host is scraped, every alert is loaded, and the next run changes nothing.

    Of the certificates and keys only those go that the role wrote before and the configuration does not name.
    """
    directory = _prometheus(deployed, "operators", OPERATORS)
    before = (directory / "prometheus.yml").read_bytes()
    for name in ("old.key", "named.key", "operators.pem"):
        (directory / name).write_text("a key")
    (directory / ".hostcollector-files").write_text("old.key\nnamed.key\n")
    for name in ("renamed", "alerts"):
        (directory / f"rules/hostcollector-{name}.yml").write_text("groups: []\n")
    outcome = _monitoring(deployed, directory)
    assert outcome.succeeded, outcome.output[-4000:]
    assert (directory / "prometheus.yml").read_bytes() == before
    assert not (directory / "rules/hostcollector-renamed.yml").exists()
    assert not (directory / "old.key").exists()
    assert all((directory / name).exists() for name in ("named.key", "operators.pem"))
    assert "named.key" in (directory / ".hostcollector-files").read_text().splitlines()
    (kept,) = (directory / "rules").glob("hostcollector-alerts.yml.*~")
    assert kept.read_text() == "groups: []\n"
    with running(directory, deployed.directory / "operators-data") as prometheus:
        until(
            lambda: sum(prometheus.query('up{job="hostcollector"}').values()) == len(deployed.hosts),
            30.0,
            "the scrapes of the operator's job",
        )
        assert "HostcollectorDown" in prometheus.rules()
    again = _monitoring(deployed, directory)
    assert set(again.changed.values()) == {0}, again.output[-4000:]


def test_a_configuration_that_does_not_name_the_files_is_reported_and_kept(deployed: Fleet) -> None:
    """With remote_write, external labels and two jobs; even where the role is to write the whole file."""
    directory = _prometheus(deployed, "unaware", TWO_JOBS.replace("{", "{{").replace("}", "}}"))
    outcome = _monitoring(deployed, directory)
    assert outcome.failed == {"monitor"}
    assert "scrape_config_files: [scrape_configs/*.yml]" in outcome.output
    replacing = _monitoring(deployed, directory, fleet_prometheus_manage_config=True)
    assert replacing.failed == {"monitor"}
    assert "was not written by this role" in replacing.output
    assert (directory / "prometheus.yml").read_text() == TWO_JOBS
    targets = (directory / "file_sd/hostcollector.yml").read_text()
    assert all(f"instance: {host.name}" in targets for host in deployed.hosts)
