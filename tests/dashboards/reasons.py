"""Why a query of a board has no data in the laboratory, although it has some in production."""

from collections.abc import Mapping

from tests.dashboards.boards import Question

REASONS: Mapping[str, str] = {
    "hostcollector_gateway_": "no gateway runs here; tests/gateway has its page",
    'ALERTS{job=~"$job", region=~"$region"': "no gateway runs here, so it has no alerts",
    "uuid:libvirt_domain_downtime:ratio_rate5m": "no guest is down",
    "operation:hostcollector_host_domain_job": "no job ends",
    "uuid:libvirt_domain_migrated_start_timestamp_seconds:max": "no guest came by migration",
    "libvirt_domain_job_operation_info": "no guest is migrated or saved",
    "infiniband_state_id{": "every recorded port is active",
    "infiniband_local_link_integrity_errors_total": "the recorded ports have no such errors",
    "infiniband_port_discards_transmitted_total": "the recorded ports have no such errors",
    "infiniband_local_ack_timeout_errors_total": "the recorded card does not count them",
    "infiniband_packet_sequence_errors_total": "the recorded card does not count them",
    "infiniband_np_": "the recorded card does not count them",
    "infiniband_rp_": "the recorded card does not count them",
    "target_device:libvirt_domain_block_storage:info": "each guest of the laboratory has its own directory",
    "libvirt_domain_uplink_info": "the laboratory's taps have no uplink",
    "hostcollector_config_info": "the laboratory's collector has no configuration file",
    "hostcollector_certificate_expiry_timestamp_seconds": "the laboratory's collector has no certificate",
    'instance=~"$instance", uuid=~"$guest", alertstate': "no alert about the guest that is the victim",
    "libvirt_domain_check_reason_info": "both checks of every guest pass",
    "hostcollector_source_errors_total": "no source fails",
    "hostcollector_source_up{": "no source fails",
    "hostcollector_series_dropped": "no series is left off",
    "== 1 or libvirt_domain_job_info_type": "no guest is migrated or saved",
    "libvirt_domain_job_info_data": "no guest is migrated or saved",
    "libvirt_domain_job_info_dirty": "no guest is migrated or saved",
    "libvirt_domain_job_info_memory": "no guest is migrated or saved",
    "libvirt_domain_job_info_throttle": "no guest is migrated or saved",
    "libvirt_domain_job_info_downtime": "no guest is migrated or saved",
    "libvirt_domain_job_info_iteration": "no guest is migrated or saved",
    "libvirt_domain_last_migration": "no guest came by migration",
    "libvirt_domain_block_job_": "no disk is copied or merged",
    "hostcollector_host_domain_jobs_total": "no job ends",
    "hostcollector_host_domain_job_": "no job ends",
    "hostcollector_host_domain_block_jobs_total": "no job ends",
    'reason="migrated"': "no guest came by migration",
    "libvirt_domain_events_total": "nothing happens to the guests meanwhile",
    "hostcollector_host_domain_ends_total": "no guest ends meanwhile",
    "hostcollector_host_tenant_incidents_total": "nothing happens to the guests meanwhile",
    "hostcollector_host_domain_incident_timestamp_seconds": "nothing happens to the guests meanwhile",
    "hostcollector_host_domain_ended_timestamp_seconds": "no guest ends meanwhile",
    "libvirt_domain_vhost_": "guests of the laboratory have no vhost threads",
    "libvirt_domain_cgroup_cpu_": "no guest has a CPU quota",
    "libvirt_domain_cgroup_io_": "the laboratory's groups of version 1 count no I/O of its guests",
    "libvirt_domain_cgroup_memory_swap_bytes": "the laboratory's control groups do not count swap",
    "libvirt_domain_pressure_": "the laboratory's control groups tell no pressure",
    'direction="transmit"}': "the laboratory's kernel has no policers",
    "libvirt_domain_block_latency_seconds": "histograms need libvirt 12",
    "libvirt_domain_vf_transmit_broadcast": "the card counts received ones only",
    "libvirt_domain_vf_transmit_multicast": "the card counts received ones only",
    "hostcollector_ovs_statistics_age_seconds": "the recorded switch's statistics never change",
    'spares=~"low|none"': "the recorded BMC has no such banks",
    "uuid:libvirt_domain_memory_remote:ratio": "no guest has pinned vCPUs",
}
"""A part of the query to the reason; the first that is in it counts."""

RECORDINGS: Mapping[str, str] = {
    "uuid:libvirt_domain_downtime:ratio_rate5m": "no guest is down",
    "operation:hostcollector_host_domain_jobs:sum_rate5m": "no job ends",
    "operation:hostcollector_host_domain_job_duration_seconds_bucket:sum_rate5m": "no job ends",
    "operation:hostcollector_host_domain_job_downtime_seconds_bucket:sum_rate5m": "no job ends",
    "device:hostcollector_host_link_up:max1d": "it looks at every fifth minute",
    "device:hostcollector_host_link_speed_bytes_per_second:max1d": "it looks at every fifth minute",
    "port:hostcollector_host_infiniband_state_id:max1d": "no InfiniBand port",
    "instance:hostcollector_blocked_guests:count": "no guest's monitor is blocked",
    "instance:hostcollector_ended_guests:count": "no guest died",
    "storage:hostcollector_waiting_guests:count": "no guest waits for storage",
    **dict.fromkeys(
        (
            "instance:hostcollector_gpus:count",
            "instance:hostcollector_gpus:max1d",
            "gpu:hostcollector_gpu:info",
            "model:hostcollector_gpus:count",
            "instance:hostcollector_gpus_free:count",
            "model:hostcollector_gpu_utilization:avg",
            "model:hostcollector_gpu_power_watts:sum",
        ),
        "no guest has a GPU",
    ),
    "target_device:libvirt_domain_block_rbd:info": "no disk is an RBD image",
    "storage:hostcollector_slow_guests:count": "no disk is slow",
    "device:hostcollector_stalled_guests:count": "no guest waits for storage",
    "uuid:libvirt_domain_memory_remote:ratio": "no guest has pinned vCPUs",
    "uuid:libvirt_domain_gpu_energy_joules:sum_rate5m": "no guest has a GPU",
    "tenant:libvirt_domain_gpu_energy_joules:sum_rate5m": "no guest has a GPU",
    "uuid:libvirt_domain_migrated_start_timestamp_seconds:max": "no guest came by migration",
}
"""Recordings without series in the laboratory."""


def reason(question: Question) -> str:
    """Return why the query has no data; empty where no reason is known."""
    return next((why for part, why in REASONS.items() if part in question.expr), "")
