"""What the common dashboards for libvirt exporters ask, written in their way on the names that they share.

By their number on grafana.com, or `inovex` for the board in that exporter's repository. Joins go by `domain`,
as they do there; queries on names that no two exporters share, and on node_exporter, are left out.
"""

from collections.abc import Mapping

_CPU = "rate(libvirt_domain_info_cpu_time_seconds_total[1m])"
_READS = "rate(libvirt_domain_block_stats_read_requests_total[1m])"
_READ_TIME = "rate(libvirt_domain_block_stats_read_time_seconds_total[1m])"

QUERIES: Mapping[str, tuple[str, ...]] = {
    "15682": (
        "libvirt_up",
        "sum(libvirt_domain_info_virtual_cpus)",
        f"{_CPU} / on (domain) libvirt_domain_info_virtual_cpus",
        "libvirt_domain_info_memory_usage_bytes",
        "libvirt_domain_info_maximum_memory_bytes",
        "libvirt_domain_memory_stats_rss_bytes",
        "irate(libvirt_domain_block_stats_read_bytes_total[1m])",
        "irate(libvirt_domain_block_stats_write_bytes_total[1m])",
        "irate(libvirt_domain_block_stats_read_requests_total[1m])",
        "irate(libvirt_domain_block_stats_write_requests_total[1m])",
        "irate(libvirt_domain_interface_stats_receive_bytes_total[1m]) * 8",
        "irate(libvirt_domain_interface_stats_transmit_bytes_total[1m]) * 8",
        "irate(libvirt_domain_interface_stats_receive_drops_total[1m])",
        "irate(libvirt_domain_interface_stats_transmit_errors_total[1m])",
    ),
    "13633": (
        "count(libvirt_domain_info_vstate == 1)",
        "sum by (instance) (libvirt_domain_info_maximum_memory_bytes)",
        f"topk(5, {_CPU})",
        "sum by (domain) (rate(libvirt_domain_vcpu_time_seconds_total[1m]))",
        "libvirt_domain_block_stats_capacity_bytes",
        "libvirt_domain_block_stats_allocation",
        "libvirt_domain_block_stats_physicalsize_bytes",
    ),
    "14947": (
        'libvirt_domain_info_meta{project_name="globex"}',
        f"{_CPU} * on (domain) group_left (instance_name, project_name, flavor) libvirt_domain_info_meta",
        "rate(libvirt_domain_vcpu_delay_seconds_total[1m])",
        "libvirt_domain_vcpu_cpu",
        f"{_READ_TIME} / {_READS}",
        "libvirt_domain_block_stats_limit_total_requests",
        "libvirt_domain_block_meta * on (domain, target_device) libvirt_domain_block_stats_capacity_bytes",
        "libvirt_domain_interface_meta",
    ),
    "19639": (
        "libvirt_domain_info_virtual_cpus",
        f"{_CPU} * 100",
        "libvirt_domain_memory_stats_actual_balloon_bytes",
        "rate(libvirt_domain_block_stats_flush_requests_total[1m])",
        "rate(libvirt_domain_interface_stats_receive_packets_total[1m])",
        "libvirt_versions_info",
    ),
    "12538": (
        f"sum by (domain) ({_CPU})",
        "libvirt_domain_info_memory_usage_bytes / libvirt_domain_info_maximum_memory_bytes",
        "sum by (domain, target_device) (rate(libvirt_domain_block_stats_write_bytes_total[1m]))",
    ),
    "3928": (
        "sum(rate(libvirt_domain_block_stats_read_bytes_total[1m])) by (domain)",
        "sum(rate(libvirt_domain_interface_stats_transmit_bytes_total[1m])) by (domain)",
        "rate(libvirt_domain_block_stats_write_time_seconds_total[1m])",
    ),
    "inovex": (
        "libvirt_domains",
        "libvirt_domain_openstack_info",
        f"{_CPU} * on (domain) group_left (instance_name, project_name) libvirt_domain_openstack_info",
        "libvirt_domain_info_state",
        "libvirt_domain_vcpu_current",
        "libvirt_domain_vcpu_maximum",
        "libvirt_domain_memory_stats_current_balloon_bytes",
        "libvirt_domain_memory_stats_maximum_bytes",
        "rate(libvirt_domain_vcpu_delay_seconds_total[1m])",
        "libvirt_domain_block_stats_info",
        "libvirt_domain_interface_stats_info",
        "libvirt_domain_timed_out",
        "libvirt_domain_job_info_type",
    ),
}
