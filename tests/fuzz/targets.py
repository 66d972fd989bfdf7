"""What is fuzzed: each target takes bytes, and whatever it raises is a mistake of ours."""

import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pynvml

from hostcollector.app.site import scrape_budget
from hostcollector.base.errors import ConfigError, DomainXmlError, SourceMalformedError
from hostcollector.base.gaps import Gaps
from hostcollector.catalogue.usage import HourClosed, UsageLineError, parse_line
from hostcollector.config.certificates import not_after
from hostcollector.config.files import read_bytes
from hostcollector.config.settings import Settings
from hostcollector.config.web_config import WebConfig
from hostcollector.devices import gpu_map
from hostcollector.guests import domain_xml, nova, tenant_map
from hostcollector.guests.process_claims import identity_of
from hostcollector.guests.tenancy import from_nova, from_own_metadata
from hostcollector.outputs.exposition.formats import accepts_gzip, choose_format
from hostcollector.outputs.query import SelectorError, matching, parse_selector
from hostcollector.outputs.usage import document
from hostcollector.outputs.usage.books import Account
from hostcollector.outputs.usage.reading import Moment
from hostcollector.protocols.kernel.process_stat import ProcessStat
from hostcollector.protocols.netlink.messages import LINK, MESSAGE, link_description, link_state
from hostcollector.protocols.netlink.route_socket import _messages
from hostcollector.protocols.netlink.traffic_control import ROOT, htb_class, policers, qdisc
from hostcollector.protocols.netlink.vf_list import parse
from hostcollector.protocols.ovsdb.framing import Framer
from hostcollector.protocols.ovsdb.row import ColumnKind, changed_row, read_row
from hostcollector.protocols.redfish.links import resource
from hostcollector.protocols.redfish.properties import Kind, sensor_properties
from hostcollector.protocols.redfish.readings import Readings
from hostcollector.protocols.redfish.resource_map import Place, ResourceMap
from hostcollector.protocols.rest.refusals import complaint_of
from hostcollector.sources.cgroup.groups import guest_groups, mounts_of
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.binding import NvmlCallError
from hostcollector.web.access import credentials
from tests.fakes.link_messages import Vf, link_message
from tests.fakes.traffic_messages import action_filter, old_filter, police, qdisc_message, rates
from tests.lab.guest import Guest
from tests.lab.guest import domain_xml as xml_of
from tests.lab.metadata import nova as nova_metadata
from tests.lab.metadata import own_tenant


@dataclass(frozen=True, slots=True)
class Target:
    """A parser behind `feed`, and valid inputs to begin with."""

    feed: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def _domain(data: bytes) -> None:
    with suppress(DomainXmlError):
        domain = domain_xml.parse(data.decode(errors="replace"))
        from_own_metadata(domain)
        from_nova(domain)
        nova.instance_of(domain)


def _configuration(data: bytes) -> None:
    with suppress(ConfigError):
        read_bytes(data, "fuzz.yml", Settings)


def _web_config(data: bytes) -> None:
    with suppress(ConfigError):
        read_bytes(data, "web.yml", WebConfig)


def _tenant_map(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with suppress(ConfigError):
            tenant_map.read(Path(file.name)).lookup("7AD9C5A4-6b4f-4d6e-9a53-d07b4b8a3d55", "i-2-7-VM")


def _netlink(data: bytes) -> None:
    for _kind, _flags, _sequence, message in _messages(bytearray(data)):
        parse(message)
        if len(message) >= MESSAGE.size + LINK.size:
            link_description(message)
            link_state(message)
        qdisc(message)
        htb_class(message)
        tuple(policers(message))


def _ovsdb_stream(data: bytes) -> None:
    with suppress(SourceMalformedError):
        Framer(limit=4096).feed(data)


def _ovsdb_row(data: bytes) -> None:
    kinds = dict(zip(("name", "ids", "external_ids", "tag"), (*ColumnKind, *ColumnKind), strict=False))
    with suppress(ValueError, RecursionError, SourceMalformedError):
        shown = json.loads(data)
        changed_row(read_row(shown, kinds), shown, kinds)


def _redfish(data: bytes) -> None:
    with suppress(ValueError, RecursionError, SourceMalformedError):
        shown = json.loads(data)
        collected = Readings(_RESOURCE_MAP, Gaps(), now=2e9, patience=300.0)
        with suppress(SourceMalformedError):
            collected.add_report("/report", shown)
        complaint_of(shown)
        document = {"@odata.id": "/", **shown} if isinstance(shown, dict) else shown
        for kind in Kind:
            collected.add_resource(f"/{kind}", resource(document, f"/{kind}"))
        sensor_properties({"/sensor": resource(document, "/sensor")}, ("DRAM_0",), Gaps())
        collected.readings()


def _gpu_map(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with suppress(ConfigError):
            gpu_map.read(Path(file.name))


def _nvml_strings(data: bytes) -> None:
    def name(_handle: object) -> bytes:
        return data

    with (
        patch.object(pynvml, "nvmlDeviceGetName", pynvml.convertStrBytes(name)),
        suppress(NvmlCallError),
    ):
        binding.call("nvmlDeviceGetName", None)


def _command_line(data: bytes) -> None:
    identity_of(data)


def _kernel_files(data: bytes) -> None:
    with suppress(SourceMalformedError):
        ProcessStat.parse(data)
    guest_groups(data, mounts_of(data), "/")


def _usage_line(data: bytes) -> None:
    with suppress(UsageLineError):
        parse_line(data)


def _usage_account(data: bytes) -> None:
    with suppress(ValueError):
        document.read(data)


def _headers(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    choose_format(text)
    accepts_gzip(text)
    scrape_budget(text, 8.0, 0.5)
    credentials([text])


_CLOSED_HOUR = HourClosed(sequence=1, ledger="0" * 32, hour=1_795_906_800).line().encode()
_ACCOUNT = Account.opened("0" * 32, "boot", Moment(1_795_906_800_000_000, 10**9))
_METADATA = own_tenant("acme", "Acme & Co") + nova_metadata(
    project_id="p1", project_name="Globex", instance_name="web"
)
_XML = xml_of(Guest(name="fuzz", title="a title", metadata=_METADATA, workload=None), Path("/nowhere"), None)

_RESOURCE_MAP = ResourceMap()
_RESOURCE_MAP.add_ports("/Ports", "/gpu")
for _kind in Kind:
    _RESOURCE_MAP.add(f"/{_kind}", Place(gpu="/gpu", kind=_kind))
_REDFISH = (
    {
        "MetricValues": [
            {"MetricProperty": "/metrics#/PowerLimitThrottleDuration", "MetricValue": "PT1.5S"},
            {"MetricProperty": "/metrics#/Oem/Nvidia/ThrottleReasons", "MetricValue": ["SWPowerCap"]},
            {
                "MetricProperty": "/Ports/NVLink_0/Metrics#/RXBytes",
                "MetricValue": "1",
                "Oem": {"Nvidia": {"MetricValueStale": True}},
            },
        ]
    },
    {"Status": {"Health": "OK"}, "MemorySummary": {"TotalMemorySizeMiB": 183359}},
    {"ReadingType": "Temperature", "ReadingBasis": "Headroom", "PhysicalContext": "GPU"},
)


def _selector(data: bytes) -> None:
    with suppress(SelectorError):
        selector = parse_selector(data.decode(errors="replace"))
        list(matching('libvirt_up{a="b"} 1.0\n', selector))


def _certificate(data: bytes) -> None:
    with suppress(ValueError):
        not_after(data)


TARGETS: Mapping[str, Target] = {
    "usage_line": Target(_usage_line, (_CLOSED_HOUR,)),
    "usage_account": Target(_usage_account, (document.write(_ACCOUNT),)),
    "domain_xml": Target(_domain, (_XML.encode(), b"<domain><name>&amp;</name></domain>")),
    "configuration": Target(
        _configuration, (b"libvirt: {uri: 'qemu:///system'}\nsources: {cgroup: false}\n", b"web: [1, 2\n")
    ),
    "web_config": Target(
        _web_config,
        (b"basic_auth_users: {prometheus: x}\n", b"tls_server_config: {cert_file: a, key_file: b}\n"),
    ),
    "tenant_map": Target(
        _tenant_map,
        (
            b"uuids: {7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55: acme}\n",
            b"names:\n  - {pattern: 'i-2-*-VM', tenant: globex}\n",
        ),
    ),
    "netlink": Target(
        _netlink,
        (
            link_message([Vf(number=n, counters=tuple(range(8))) for n in range(3)]),
            qdisc_message(7, ROOT, "tbf", rates(125_000), held=(1, 2)),
            action_filter(7, "u32", "police", police(1, 125_000), held=(1, 2)),
            old_filter(7, "u32", police(1, 125_000), held=(1, 2)),
        ),
    ),
    "ovsdb_stream": Target(
        _ovsdb_stream, (b'{"id":"echo","method":"echo","params":[]}', b'{"result":{"a":["set",[]]}}{')
    ),
    "ovsdb_row": Target(
        _ovsdb_row,
        (
            b'{"name":"tap0","ids":["set",[["uuid","7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"]]],"tag":1}',
            b'{"external_ids":["map",[["iface-id","x"]]]}',
        ),
    ),
    "redfish": Target(_redfish, tuple(json.dumps(document).encode() for document in _REDFISH)),
    "gpu_map": Target(_gpu_map, (b'"0000:1b:00.0": GPU_SXM_1\n0000:19:00.0: GPU_SXM_2\n',)),
    "nvml_strings": Target(_nvml_strings, (b"NVIDIA H100", b"\xff\xfe")),
    "qemu_command_line": Target(
        _command_line,
        (b"qemu\0-name\0guest=a,,b,debug-threads=on\0-uuid\0007ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55\0",),
    ),
    "kernel_files": Target(
        _kernel_files,
        (
            Path("/proc/self/stat").read_bytes(),
            b"25 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n0::/machine/qemu-1-x.libvirt-qemu\n",
        ),
    ),
    "selector": Target(_selector, (b'libvirt_up{a="b\\x41",c=~"d|e",f!~`g`}', b'{__name__="x"}')),
    "certificate": Target(
        _certificate, (b"0\x2b0\x29\x02\x010\x000\x000\x1e\x17\x0d260101000000Z\x17\x0d270101000000Z",)
    ),
    "headers": Target(
        _headers, (b"application/openmetrics-text; version=1.0.0;q=0.8, */*;q=0.1", b"Basic dXNlcjpwYXNz")
    ),
}
