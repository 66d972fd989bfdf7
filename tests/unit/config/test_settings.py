"""The configuration: strict, every problem at once, and usable without a file."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.errors import ConfigError
from hostcollector.base.log import LogFormat, LogLevel
from hostcollector.config.address import Address
from hostcollector.config.files import read_bytes
from hostcollector.config.reader import changed
from hostcollector.config.settings import GuestPattern, Names, SeriesSettings, Settings, read_settings
from hostcollector.config.tenancy import ResolverName, XPathRule

NAMES = Names(
    sources=("procfs", "netlink", "libvirt_state"), metrics=("libvirt_up", "libvirt_domain_vcpu_state")
)

EVERYTHING = """
libvirt:
  uri: qemu+unix:///system
  keepalive_interval_seconds: 7
  keepalive_count: 4
  listing_interval_seconds: 60
  kvm_extras: true
web:
  listen_address: "[::1]:9999"
  telemetry_path: /probe/metrics
  config_file: /etc/hostcollector/web-config.yml
  systemd_socket: true
collection:
  budget_seconds: 4
  timeout_margin_seconds: 0.25
  maximum_age_seconds: 2.5
  series_limit: 1000
  silent_guest_seconds: 700
  ended_guests_seconds: 3600
  ended_guests_limit: 10
sources:
  procfs: off
  netlink: true
tenancy:
  resolvers: [map, xpath]
  xpath:
    - tenant: one:vm/@id
      name: one:vm/one:name
      namespaces: {one: "http://opennebula.org/xmlns"}
  map_file: /etc/hostcollector/tenants.yml
tenants:
  page: true
  maximum_age_seconds: 5
usage:
  records: true
guests:
  include:
    - {name: "web-*", tenant: 101, metadata: "one:vm/@id", value: "7?", namespaces: {one: urn:x}}
  exclude:
    - {tenant: ""}
ovs:
  remote: unix:/run/other/db.sock
  maximum_age_seconds: 30
ovn:
  remote: ssl:192.0.2.1:6642,ssl:[2001:db8::1]:6642
  maximum_age_seconds: 120
  ca_file: /etc/ovn/ca.pem
  certificate_file: /etc/ovn/cert.pem
  private_key_file: /etc/ovn/key.pem
ndfc:
  url: https://ndfc.example:8443
  user: reader
  domain: radius
  password_file: /etc/hostcollector/ndfc-password
  ca_file: /etc/hostcollector/ndfc.pem
  insecure_skip_verify: true
  fabrics: [dc1]
  switches: [leaf1]
  cluster: west
  interval_seconds: 300
infiniband:
  partitions: [{pkey: 0x8001, name: acme, full: [0c42a10300abcdef]}]
ufm:
  url: https://ufm.example
  user: reader
  password_file: /etc/hostcollector/ufm-password
  ca_file: /etc/hostcollector/ufm.pem
  insecure_skip_verify: true
  interval_seconds: 300
redfish:
  url: https://bmc.example:8443/bmc/host17
  token_file: /etc/hostcollector/bmc-token
  user: reader
  password_file: /etc/hostcollector/bmc-password
  ca_file: /etc/hostcollector/bmc.pem
  insecure_skip_verify: true
  interval_seconds: 30
  ports_interval_seconds: 600
  gpu_map_file: /etc/hostcollector/gpus.yml
paths:
  root: /mnt/capture
  state_directory: /run/state
  runtime_directory: /run/own
series:
  compatibility_names: false
  vcpu_detail: false
  drop: [libvirt_up]
log:
  level: debug
  format: json
"""


def read(text: str) -> Settings:
    """Read a document with the sources of these tests."""
    return read_bytes(text.encode(), "test.yml", Settings, NAMES.readers())


def problems(text: str) -> tuple[str, ...]:
    """Return what is wrong with a document."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.origin == "test.yml"
    return caught.value.problems


def outcome(content: bytes) -> Settings | tuple[str, ...]:
    """Return the settings of a document, or its problems; anything else that it raises fails the test."""
    try:
        return read_bytes(content, "test.yml", Settings, NAMES.readers())
    except ConfigError as error:
        return error.problems


def test_every_key_arrives() -> None:
    """A document that sets every key gives settings in which no field has its default."""
    settings = read(EVERYTHING)
    assert settings.libvirt.uri == "qemu+unix:///system"
    assert settings.libvirt.keepalive_interval_seconds == 7
    assert settings.web.listen_address == Address("::1", 9999)
    assert settings.collection.budget_seconds == 4.0
    assert settings.sources == {"procfs": False, "netlink": True}
    assert settings.tenancy.resolvers == (ResolverName.MAP, ResolverName.XPATH)
    namespaces = {"one": "http://opennebula.org/xmlns"}
    assert settings.tenancy.xpath == (
        XPathRule(tenant="one:vm/@id", name="one:vm/one:name", namespaces=namespaces),
    )
    assert settings.guests.include == (
        GuestPattern(
            name="web-*", tenant="101", metadata="one:vm/@id", value="7?", namespaces={"one": "urn:x"}
        ),
    )
    assert settings.guests.exclude == (GuestPattern(tenant=""),)
    assert settings.log.format is LogFormat.JSON
    for section in fields(settings):
        ours, default = getattr(settings, section.name), getattr(Settings(), section.name)
        values = fields(ours) if section.name != "sources" else ()
        same = [field.name for field in values if getattr(ours, field.name) == getattr(default, field.name)]
        assert same == []


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "libvirt:\nweb: {}\ntenancy:\n"])
def test_defaults_hold_for_what_is_not_said(text: str) -> None:
    """An empty document and empty sections mean the documented defaults."""
    assert read(text) == Settings()


def test_no_file_is_a_configuration() -> None:
    """Without a file the settings are the defaults."""
    assert read_settings(None, NAMES) == Settings()
    assert str(Settings().web.listen_address) == "127.0.0.1:10177"


def test_all_problems_come_at_once() -> None:
    """Each wrong value is reported with its dotted path and its line, not only the first one."""
    found = problems(
        "libvirt:\n  uri: 5\n  keepalive_count: five\n"
        "collection: {budget_seconds: 0, series_limit: 1.5}\n"
        "tenancy:\n  xpath:\n    - {tenant: a}\n    - {tenant: 'a[', name: b}\n"
        "log: loud\n"
    )
    assert found == (
        "libvirt.uri: expected text, not the number '5' (line 2)",
        "libvirt.keepalive_count: expected a whole number, not the text 'five' (line 3)",
        "collection.budget_seconds: expected 0.1 to 300, not 0.0 (line 4)",
        "collection.series_limit: expected a whole number, not the number '1.5' (line 4)",
        "tenancy.xpath[1].tenant: not a path that ElementTree knows: 'a[' (line 8)",
        "log: expected a mapping, not the text 'loud' (line 9)",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("libvrit: {}", "libvrit: unknown key; did you mean libvirt? (line 1)"),
        ("web: {listen_adress: x}", "web.listen_adress: unknown key; did you mean listen_address? (line 1)"),
        ("sources: {procf: on}", "sources.procf: unknown key; did you mean procfs? (line 1)"),
        ("log: {zzz: 1}", "log.zzz: unknown key; known here: level, format (line 1)"),
        (
            "'a.b': 1",
            (
                "'a.b': unknown key; known here: libvirt, web, collection, sources, tenancy, tenants, "
                "usage, guests, series, ovs, ovn, ndfc, infiniband, ufm, redfish, paths, log (line 1)"
            ),
        ),
    ],
)
def test_unknown_keys_get_a_hint(text: str, problem: str) -> None:
    """A key that does not exist is an error; a near miss is answered with the right name."""
    assert problems(text) == (problem,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("web: {}\nlog: {}\nweb: {}", "web: given twice, first in line 1 (line 3)"),
        ("log:\n  level: info\n  level: warn", "log.level: given twice, first in line 2 (line 3)"),
        ("sources:\n  procfs: on\n  procfs: on", "sources.procfs: given twice, first in line 2 (line 3)"),
    ],
)
def test_duplicate_keys_are_errors(text: str, problem: str) -> None:
    """A key that occurs twice is an error; YAML itself would take the last one."""
    assert problems(text) == (problem,)


@pytest.mark.parametrize(
    "text",
    [
        "libvirt: {uri: ''}",
        'libvirt: {uri: "a\\nb"}',
        "libvirt: {keepalive_count: true}",
        "libvirt: {keepalive_count: 010}",
        "libvirt: {keepalive_count: 0x10}",
        "libvirt: {keepalive_count: !!int [1]}",
        "libvirt: {keepalive_count: 101}",
        "libvirt: {kvm_extras: 1}",
        "libvirt: !!null [uri]",
        "collection: {budget_seconds: .nan}",
        "collection: {budget_seconds: .inf}",
        "collection: {budget_seconds: 300.1}",
        "collection: {budget_seconds: 1:30}",
        "collection: {series_limit: 99999999999999999999}",
        "collection: {maximum_age_seconds: -1}",
        "sources: {procfs: 1}",
        "sources: {procfs: null}",
        "sources: [procfs]",
        "tenancy: {resolvers: nova}",
        "tenancy: {resolvers: [nova, nova]}",
        "tenancy: {resolvers: [nova, dns]}",
        "tenancy: {map_file: tenants.yml}",
        "tenancy: {xpath: {tenant: a}}",
        "tenancy: {xpath: [{name: a}]}",
        "tenancy: {xpath: [a]}",
        "tenancy: {xpath: [{tenant: a, namespaces: {'a b': c}}]}",
        "tenancy: {xpath: [{tenant: a, namespaces: {a: 1}}]}",
        "guests: {include: ['web-*']}",
        "guests: {include: [{}]}",
        "guests: {exclude: [{name: '*', tenant: '*'}]}",
        "guests: {exclude: [{name: '', tenant: a}]}",
        "guests: {exclude: [{name: a, tenant: }]}",
        "guests: {exclude: [{name: a, value: b}]}",
        "guests: {exclude: [{metadata: 'a['}]}",
        "guests: {exclude: [{metadata: 'one:vm'}]}",
        "ovs: {remote: /run/openvswitch/db.sock}",
        "ovs: {remote: ssl:192.0.2.1:6640}",
        "ovs: {remote: 'tcp:192.0.2.1:6640,tcp:192.0.2.2:6640'}",
        "ovs: {maximum_age_seconds: 0.5}",
        "ovn: {remote: ssl:192.0.2.1:6642}",
        "ovn: {remote: udp:192.0.2.1:6642}",
        "ovn: {ca_file: ca.pem}",
        "ovn: {certificate_file: /etc/ovn/cert.pem}",
        "paths: {root: proc}",
        "log: {level: warning}",
        "log: {format: text}",
        "[a]: b",
        "- a",
        "just words",
        "web: {telemetry_path: metrics}",
        "web: {telemetry_path: /}",
        "web: {telemetry_path: /-/ready}",
        "web: {telemetry_path: '/{name}'}",
    ],
)
def test_what_does_not_fit_is_refused(text: str) -> None:
    """A value of a wrong type or out of range is one problem, named with its key."""
    assert len(problems(text)) == 1


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu:///session",
        "qemu+unix:///system",
        "qemu+unix:///system?socket=/run/libvirt/libvirt-sock",
        "QEMU:///system",
        "qemu:///embed?root=/var/lib/vm",
        "test:///default",
        "test:////tmp/host.xml",
    ],
)
def test_a_libvirt_of_this_machine_is_taken(uri: str) -> None:
    """Whatever driver it has, and wherever its socket lies."""
    assert read(yaml.safe_dump({"libvirt": {"uri": uri}})).libvirt.uri == uri


@pytest.mark.parametrize(
    "uri",
    [
        "qemu+ssh://kvm7.example/system",
        "qemu+ssh:///system",
        "qemu+tls://kvm7.example/system",
        "qemu+tcp://127.0.0.1/system",
        "qemu+libssh2://root:s3cret@kvm7.example/system",
        "qemu+ext:///system?command=/usr/bin/ssh",
        "qemu://kvm7.example/system",
        "qemu://localhost/system",
        "qemu://kvm7.example",
        "qemu://[::1]:16514/system",
        "qemu+unix://kvm7.example/system",
        "esx://root@vcenter.example/dc/host",
        "QEMU+SSH://kvm7.example/system",
    ],
)
def test_a_libvirt_of_another_machine_is_refused_with_the_reason(uri: str) -> None:
    """Its guests would be joined with this machine's processes and interfaces."""
    (problem,) = problems(yaml.safe_dump({"libvirt": {"uri": uri}}))
    assert "the libvirt of this machine, such as qemu:///system" in problem
    assert "s3cret" not in problem


@pytest.mark.parametrize("uri", ["hail", "qemu", "qemu:/system", "/system", "://system", "1qemu:///system"])
def test_what_is_no_uri_is_refused(uri: str) -> None:
    """An alias of libvirt.conf may lead anywhere."""
    assert "expected a libvirt connection URI" in problems(yaml.safe_dump({"libvirt": {"uri": uri}}))[0]


_GUID = "0c:42:a1:03:00:ab:cd:ef"


@pytest.mark.parametrize(
    "text",
    [
        "tenancy: {resolvers: [" + "nova," * 90_000 + "]}",
        "x: [" + "".join(f"&a{number} 1," for number in range(90_000)) + "]",
        "? a\n" * 90_000,
        f"infiniband: {{partitions: [{{pkey: 0x1, full: &l [{f'{_GUID},' * 3000}]}},"
        + "{pkey: 0x2, full: *l}," * 3000
        + "]}",
        "a0: &a0 [x,x,x,x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 30)),
    ],
    ids=["list", "anchors", "keys", "aliases", "aliases of aliases"],
)
def test_more_than_a_configuration_can_have_is_refused_at_once(text: str) -> None:
    """What would take minutes to read is not read; aliases count as their expansion."""
    (problem,) = problems(text)
    assert problem.startswith("more than 40000 values (line ")


def test_a_list_of_problems_has_an_end() -> None:
    """The first hundred of them are named."""
    found = problems("tenancy: {resolvers: [" + "nvoa," * 1000 + "]}")
    assert (len(found), found[-1]) == (101, "and more: these are the first")


def test_an_alias_of_what_is_small_is_taken() -> None:
    """A list that occurs twice may be written once."""
    settings = read("ndfc: {url: 'https://n', user: u, fabrics: &f [a, b], switches: *f}")
    assert settings.ndfc.switches == ("a", "b")


@pytest.mark.parametrize(
    "path",
    [
        "vm",
        "one:vm/@id",
        "./one:a/one:b[@c='d e']",
        "{urn:x}vm/{urn:x}id",
        "one:vm/@{urn:x}id",
        "*",
        "a[1]",
        ".//a",
    ],
)
def test_xpath_subset_is_accepted(path: str) -> None:
    """What ElementTree can find is accepted, an attribute at the end included."""
    rule = {"tenant": path, "namespaces": {"one": "urn:one"}}
    settings = read(yaml.safe_dump({"tenancy": {"xpath": [rule]}}))
    assert settings.tenancy.xpath[0].tenant == path


@pytest.mark.parametrize(
    "path",
    [
        "/domain/vm",
        "@id",
        "vm/@",
        "vm/@a/b",
        "one:vm",
        "a|b",
        "text()",
        "a[0]",
        "a(",
        "a[b",
        "string(a)",
        "//a",
    ],
)
def test_other_xpath_is_refused(path: str) -> None:
    """What ElementTree would not find, or fail on while guests are read, is refused at the start."""
    found = problems(yaml.safe_dump({"tenancy": {"xpath": [{"tenant": path}]}}))
    assert len(found) == 1
    assert found[0].startswith("tenancy.xpath[0].tenant: ")


def test_problems_show_hostile_text_safely() -> None:
    """Keys and values with escapes, or far too long, stay one short printable line."""
    found = problems('"\\e[31mred": 1\nlibvirt: {uri: "\\u202Eabc"}\nlog: {level: ' + "x" * 9000 + "}")
    assert len(found) == 3
    assert all(problem.isascii() and problem.isprintable() and len(problem) < 250 for problem in found)


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "\ta: 1", "%YAML 9.9\n---\na", "a: *b", "--- a\n--- b", "[" * 9000]
)
def test_broken_yaml_is_one_problem(text: str) -> None:
    """A document that is not YAML is one problem that says so."""
    (problem,) = problems(text)
    assert problem.startswith("not valid YAML: ")


def test_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A missing file, a directory, bytes that are no UTF-8 and an endless device are one problem each."""
    binary = tmp_path / "binary.yml"
    binary.write_bytes(b"a: \xff")
    for path, expected in (
        (tmp_path / "missing.yml", "cannot be read: No such file or directory"),
        (tmp_path, "cannot be read: Is a directory"),
        (binary, "not UTF-8: byte 3 is 0xff"),
        (Path("/dev/zero"), "larger than 1048576 bytes; is this the right file?"),
    ):
        with pytest.raises(ConfigError) as caught:
            read_settings(path, NAMES)
        assert caught.value.problems == (expected,)
        assert caught.value.origin == str(path)


def test_flags_win_over_the_file() -> None:
    """Every given override replaces the file's value; what is not given stays."""
    settings = read(EVERYTHING)
    flags = {
        "libvirt.uri": "test:///default",
        "web.listen_address": Address("", 1),
        "web.telemetry_path": "/m",
        "log.level": LogLevel.ERROR,
        "log.format": LogFormat.LOGFMT,
        "sources.procfs": True,
    }
    found = changed(settings, flags)
    assert found.libvirt.uri == "test:///default"
    assert found.libvirt.keepalive_count == settings.libvirt.keepalive_count
    assert (found.web.listen_address, found.web.telemetry_path) == (Address("", 1), "/m")
    assert (found.log.level, found.log.format) == (LogLevel.ERROR, LogFormat.LOGFMT)
    assert found.sources == {"procfs": True, "netlink": True}
    assert changed(settings, {}) == settings


def test_a_source_is_on_by_configuration_or_default() -> None:
    """The configuration decides about a source, else the source's own default."""
    settings = Settings(sources={"procfs": False})
    assert not settings.source_enabled("procfs", default=True)
    assert settings.source_enabled("netlink", default=True)
    assert not settings.source_enabled("netlink", default=False)


_KEYS = st.sampled_from(
    [
        "libvirt",
        "web",
        "tenancy",
        "sources",
        "log",
        "uri",
        "xpath",
        "tenant",
        "namespaces",
        "resolvers",
        "<<",
        "procfs",
    ]
)
_DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=5)
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_KEYS | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode(errors="replace"))))
def test_no_bytes_raise_anything_but_a_config_error(content: bytes) -> None:
    """Whatever the file holds, the reader gives settings or a `ConfigError` with problems."""
    assert outcome(content)


@given(_DOCUMENTS)
def test_no_document_raises_anything_but_a_config_error(document: object) -> None:
    """Whatever YAML the file holds, the reader gives settings or a `ConfigError` of printable problems."""
    result = outcome(yaml.dump(document).encode())
    assert isinstance(result, Settings) or all(problem.isprintable() for problem in result)


@given(st.text(alphabet="{}[]:,&*!|>'\"%@`#?-\\/ \nabx019.<=~u\x00\u2028\ue000", max_size=40))
def test_no_yaml_syntax_raises_anything_but_a_config_error(text: str) -> None:
    """Anchors, tags, directives and escapes in any order give settings or a `ConfigError`."""
    assert outcome(text.encode())


@given(st.text(alphabet="ab/[]@='\"().:*!{}-019,|& ", max_size=12))
def test_no_xpath_raises_anything_but_a_config_error(path: str) -> None:
    """Whatever an XPath rule says, it is accepted as it is or refused as one problem."""
    result = outcome(yaml.safe_dump({"tenancy": {"xpath": [{"tenant": path}]}}).encode())
    assert result.tenancy.xpath[0].tenant == path if isinstance(result, Settings) else len(result) == 1


def test_series_that_the_page_drops() -> None:
    """Switches and names, also as patterns; without the section everything is shown."""
    found = read("series: {vcpu_detail: false, drop: [libvirt_up, 'libvirt_domain_*']}").series
    assert found == SeriesSettings(vcpu_detail=False, drop=("libvirt_up", "libvirt_domain_*"))
    assert found.switched_off == {"vcpu_detail"}
    assert read("").series.switched_off == frozenset()


@pytest.mark.parametrize(
    ("drop", "problem"),
    [
        (
            "[libvirt_uq]",
            "series.drop[0]: no metric is called 'libvirt_uq'; did you mean libvirt_up? (line 1)",
        ),
        (
            "[libvirt_up, 'nvidia_*']",
            "series.drop[1]: no metric is called 'nvidia_*'; `hostcollector metrics`",
        ),
        ("libvirt_up", "series.drop: expected a list, not the text 'libvirt_up'"),
        ("[5]", "series.drop[0]: no metric is called '5'"),
        ("[[]]", "series.drop[0]: expected a pattern such as infra-*, not a list"),
    ],
)
def test_a_metric_that_does_not_exist_is_not_dropped(drop: str, problem: str) -> None:
    """A misspelt name would keep the series that its author believes to be gone."""
    assert problem in problems(f"series: {{drop: {drop}}}")[0]
