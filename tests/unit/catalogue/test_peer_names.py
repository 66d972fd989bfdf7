"""Dashboards made for the two common exporters go on working: their names and labels against the catalogue.

The lists are those of the Tinkoff exporter 2.3.3 and the inovex exporter 2.5.0, with the labels that each
name has besides those that say which guest it is.
"""

import pytest

from hostcollector import catalogue
from hostcollector.base.model import IDENTITY_LABELS, Kind, Scope
from hostcollector.catalogue.left_out import PEER_METRICS

Names = dict[str, tuple[str, ...]]


def named(prefix: str, suffixes: str, *labels: str) -> Names:
    """Return ``prefix`` with each of the suffixes, all with the same labels."""
    return {prefix + suffix: labels for suffix in suffixes.split()}


BOTH: Names = {
    "libvirt_up": (),
    **named(
        "libvirt_domain_info_", "cpu_time_seconds_total maximum_memory_bytes memory_usage_bytes virtual_cpus"
    ),
    **named(
        "libvirt_domain_vcpu_", "time_seconds_total wait_seconds_total delay_seconds_total state", "vcpu"
    ),
    **named(
        "libvirt_domain_block_stats_",
        "read_bytes_total read_requests_total read_time_seconds_total "
        "write_bytes_total write_requests_total write_time_seconds_total "
        "flush_requests_total flush_time_seconds_total capacity_bytes",
        "target_device",
    ),
    **named(
        "libvirt_domain_interface_stats_",
        "receive_bytes_total receive_packets_total receive_errors_total receive_drops_total "
        "transmit_bytes_total transmit_packets_total transmit_errors_total transmit_drops_total",
        "target_device",
    ),
    **named(
        "libvirt_domain_memory_stats_",
        "available_bytes unused_bytes usable_bytes rss_bytes used_percent "
        "major_fault_total minor_fault_total",
    ),
}
TINKOFF: Names = {
    **BOTH,
    "libvirt_versions_info": ("hypervisor_running", "libvirtd_running", "libvirt_library"),
    "libvirt_domain_info_meta": (
        *("instance_name", "flavor", "user_name", "user_uuid"),
        *("project_name", "project_uuid", "root_type", "root_uuid"),
    ),
    "libvirt_domain_info_vstate": (),
    "libvirt_domain_vcpu_cpu": ("vcpu",),
    "libvirt_domain_block_meta": (
        *("target_device", "source_file", "serial", "bus"),
        *("disk_type", "driver_type", "cache", "discard"),
    ),
    **named(
        "libvirt_domain_block_stats_",
        "allocation physicalsize_bytes size_iops_bytes "
        "limit_total_bytes limit_read_bytes limit_write_bytes "
        "limit_total_requests limit_read_requests limit_write_requests "
        "limit_burst_total_bytes limit_burst_read_bytes limit_burst_write_bytes "
        "limit_burst_total_requests limit_burst_read_requests limit_burst_write_requests "
        "limit_burst_total_bytes_length_seconds limit_burst_read_bytes_length_seconds "
        "limit_burst_write_bytes_length_seconds limit_burst_length_total_requests_seconds "
        "limit_burst_length_read_requests_seconds limit_burst_length_write_requests_seconds",
        "target_device",
    ),
    "libvirt_domain_interface_meta": ("source_bridge", "target_device", "virtual_interface"),
    **named("libvirt_domain_memory_stats_", "actual_balloon_bytes disk_cache_bytes"),
    **named("libvirt_pool_info_", "capacity_bytes allocation_bytes available_bytes", "pool"),
}
INOVEX: Names = {
    **BOTH,
    **named("libvirt_", "domains domain_timed_out"),
    "libvirt_domain_info": ("os_type", "os_type_arch", "os_type_machine"),
    "libvirt_domain_info_state": ("state_desc",),
    "libvirt_domain_openstack_info": (
        *("instance_name", "instance_id", "flavor_name"),
        *("user_name", "user_id", "project_name", "project_id"),
    ),
    **named("libvirt_domain_vcpu_", "current maximum"),
    "libvirt_domain_block_stats_info": (
        *("disk_type", "target_bus", "driver_name", "driver_type", "driver_cache", "driver_discard"),
        *("source_file", "source_protocol", "target_device", "serial"),
    ),
    "libvirt_domain_interface_stats_info": (
        *("interface_type", "source_bridge", "target_device", "mac_address", "model_type", "mtu_size"),
    ),
    **named(
        "libvirt_domain_memory_stats_",
        "current_balloon_bytes maximum_bytes swap_in_bytes swap_out_bytes disk_caches_bytes "
        "hugetlb_pgalloc_total hugetlb_pgfail_total last_update_timestamp_seconds",
    ),
    **named(
        "libvirt_domain_job_info_",
        "type time_elapsed_seconds time_remaining_seconds "
        "data_total_bytes data_processed_bytes data_remaining_bytes "
        "memory_total_bytes memory_processed_bytes memory_remaining_bytes "
        "file_total_bytes file_processed_bytes file_remaining_bytes",
    ),
    **named(
        "libvirt_storage_pool_",
        "state capacity_bytes allocation_bytes available_bytes timed_out",
        "storage_pool",
    ),
}
ALL: Names = {**TINKOFF, **INOVEX}
OF_THE_HOST = {"libvirt_up", "libvirt_domains", "libvirt_versions_info"}


def test_the_lists_are_complete() -> None:
    """The two exporters show 65 and 67 names, 33 of them both, 99 in all."""
    assert (len(TINKOFF), len(INOVEX), len(BOTH), len(ALL)) == (65, 67, 33, 99)
    assert TINKOFF.keys() & INOVEX.keys() == BOTH.keys()


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_name_is_shown_or_has_its_reason(name: str) -> None:
    """A peer's metric has a row with at least the peer's labels, or its reason for being left out."""
    row = catalogue.BY_NAME.get(name)
    if row is None:
        assert len(PEER_METRICS[name]) > 40
        return
    assert name not in PEER_METRICS
    assert set(ALL[name]) <= set(row.labels)
    assert (row.scope is Scope.HOST) == (name in OF_THE_HOST)


def test_most_names_are_shown() -> None:
    """At least 85 of the 99 have a row, all that both exporters show among them."""
    shown = ALL.keys() & catalogue.BY_NAME.keys()
    assert len(shown) >= 85
    assert BOTH.keys() <= shown


def test_nothing_is_left_out_that_no_peer_shows() -> None:
    """Reasons are kept for names of the lists only."""
    assert PEER_METRICS.keys() <= ALL.keys()


def test_counters_of_peers_are_counters_here() -> None:
    """A query that takes the rate of a peer's counter takes that of a counter."""
    for name in ALL.keys() & catalogue.BY_NAME.keys():
        assert (catalogue.BY_NAME[name].kind is Kind.COUNTER) == name.endswith("_total")


def test_identity_labels_come_on_top() -> None:
    """The peers' `domain` label is there on every series of a guest, with tenant and UUID beside it."""
    for name in ALL.keys() & catalogue.BY_NAME.keys() - OF_THE_HOST:
        assert catalogue.BY_NAME[name].label_names[:3] == IDENTITY_LABELS == ("tenant", "domain", "uuid")
