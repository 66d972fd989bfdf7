"""The whole fleet: the hosts, a certificate authority, an inventory, and Prometheus's place outside."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.authority import Authority
from tests.fleet import network
from tests.fleet.host import Host, start
from tests.fleet.playbook import Playbooks
from tests.fleet.release import RELEASES, Release
from tests.lab.guest import Guest
from tests.lab.metadata import nova, own_tenant

PORT = 10177
GLOBEX = "6f1c2f0e4b7a4f0e9d3b5a1c8e2d7f90"
"""An OpenStack project id."""
CLIENTS = ("prometheus", "tenant-agent", "tenant-gateway", "tenant-eraser", "usage-intake")
"""Who has a certificate beside the hosts."""
TENANTS = {"acme-web": "acme", "acme-db": "acme", "globex-web": GLOBEX, "initech": "initech-7"}
"""Each host's guests and their tenants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Booted hosts and what Ansible needs to work on them."""

    directory: Path
    hosts: tuple[Host, ...]
    playbooks: Playbooks

    @property
    def certificates(self) -> Path:
        """The directory of `authority.pem`, and of `NAME.pem` and `NAME.key` for hosts and Prometheus."""
        return self.directory / "pki"

    @property
    def artefacts(self) -> Path:
        """The directory of the artefacts."""
        return self.directory / "artefacts"

    @property
    def prometheus(self) -> Path:
        """The directory used as Prometheus's /etc/prometheus."""
        return self.directory / "prometheus"

    @property
    def grafana(self) -> Path:
        """The directory used as Grafana's own ones."""
        return self.directory / "grafana"


def boot(directory: Path, releases: Sequence[Release] = RELEASES) -> Fleet:
    """Boot the hosts with their guests, one after the other, and write the inventory."""
    network.make()
    key = directory / "ssh-key"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key), check=True)
    pki, known = directory / "pki", directory / "known-hosts"
    pki.mkdir()
    authority = Authority.new(pki)
    for client in CLIENTS:
        authority.issue(client, f"DNS:{client}")
    hosts = []
    for position, release in enumerate(releases):
        tree = release.tree()
        host = start(
            f"hv-{release.codename}",
            release,
            tree,
            directory,
            number=11 + position,
            rack=f"r{position + 1}",
            public_key=key.with_suffix(".pub").read_text(),
        )
        authority.server(host.name, f"DNS:{host.name},IP:{host.address}")
        with known.open("a") as file:
            file.write(f"{host.address} {(tree / 'etc/ssh/ssh_host_ed25519_key.pub').read_text()}")
        for guest in _guests():
            host.boot(guest)
        print(_description(host), flush=True)
        hosts.append(host)
    fleet = Fleet(
        directory=directory,
        hosts=tuple(hosts),
        playbooks=Playbooks(directory, directory / "inventory.json"),
    )
    fleet.playbooks.inventory.write_text(json.dumps(_inventory(fleet), indent=2))
    return fleet


def _guests() -> list[Guest]:
    project = nova(project_id=GLOBEX, project_name="globex", instance_name="web")
    return [
        Guest.idle(name, metadata=project if tenant == GLOBEX else own_tenant(tenant))
        for name, tenant in TENANTS.items()
    ]


def _description(host: Host) -> str:
    versions = host.run("virsh", "--readonly", "version").splitlines()
    libvirt, qemu = versions[1].rpartition(" ")[2], versions[-1].rpartition(" ")[2]
    systemd = host.run("systemctl", "--version").split()[1]
    return (
        f"{host.name}: Debian {host.release.number}, systemd {systemd}, libvirt {libvirt}, QEMU {qemu},"
        f" {len(TENANTS)} guests"
    )


def _inventory(fleet: Fleet) -> Mapping[str, Any]:
    pki, ssh = fleet.certificates, fleet.directory
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    hypervisors = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(ssh / "ssh-key"),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={ssh / 'known-hosts'} -o IdentitiesOnly=yes",
        "hostcollector_artifact_directory": str(fleet.artefacts),
        "hostcollector_config": {
            "web": {"listen_address": f":{PORT}"},
            "tenants": {"page": True},
            "usage": {"records": True},
        },
        "hostcollector_web_config": {
            "tls_server_config": {
                "cert_file": "/etc/hostcollector/tls.crt",
                "key_file": "/etc/hostcollector/tls.key",
                "client_ca_file": "/etc/hostcollector/clients.pem",
                "client_auth_type": "RequireAndVerifyClientCert",
            },
            "access": {
                "readers": [
                    {"path": "/metrics", "certificates": ["prometheus"]},
                    {"path": "/tenants/metrics", "certificates": ["tenant-agent"]},
                ]
            },
        },
        "hostcollector_files": {
            "tls.crt": f"{pki}/{{{{ inventory_hostname }}}}.pem",
            "tls.key": f"{pki}/{{{{ inventory_hostname }}}}.key",
            "clients.pem": f"{pki}/authority.pem",
        },
        "hostcollector_verify_from": "localhost",
        "hostcollector_verify_url": f"https://{{{{ ansible_host }}}}:{PORT}",
        "hostcollector_verify_ca": f"{pki}/authority.pem",
        "hostcollector_verify_certificate": f"{pki}/prometheus.pem",
        "hostcollector_verify_key": f"{pki}/prometheus.key",
        "hostcollector_ready_seconds": 30,
        "hostcollector_gate": False,
    }
    prometheus = {
        **local,
        "fleet_prometheus_directory": str(fleet.prometheus),
        "fleet_prometheus_group": "root",
        "fleet_prometheus_manage_config": True,
        "fleet_prometheus_external_labels": {"region": "lab", "replica": "a"},
        "fleet_prometheus_remote_write": [
            {
                "url": "http://127.0.0.1:1/api/v1/write",
                "write_relabel_configs": [
                    {"source_labels": ["__name__"], "regex": ".+:.+", "action": "keep"}
                ],
            }
        ],
        "fleet_prometheus_service": "",
        "fleet_prometheus_files": {
            "hostcollector-ca.pem": f"{pki}/authority.pem",
            "hostcollector.crt": f"{pki}/prometheus.pem",
            "hostcollector.key": f"{pki}/prometheus.key",
        },
    }
    grafana = {
        **local,
        "fleet_grafana_provisioning_directory": str(fleet.grafana / "provisioning"),
        "fleet_grafana_dashboards_directory": str(fleet.grafana / "dashboards"),
        "fleet_grafana_group": "root",
        "fleet_grafana_service": "",
    }
    by_image = {"hostcollector_install_from": "image"}
    machines = {
        host.name: {"ansible_host": host.address, "rack": host.rack, "region": "lab"}
        | (by_image if host.release.by_image else {})
        for host in fleet.hosts
    }
    return {
        "all": {
            "hosts": {"localhost": local},
            "children": {
                "hypervisors": {"hosts": machines, "vars": hypervisors},
                "prometheus": {"hosts": {"monitor": prometheus}},
                "grafana": {"hosts": {"boards": grafana}},
            },
        }
    }
