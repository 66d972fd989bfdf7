"""The links out of the host: network cards, bonds, InfiniBand and RoCE ports."""

from dashboards.alerts.alert import Alert, Group, Scope, Severity

GROUP = Group(
    name="uplinks",
    component="network",
    scope=Scope.DEVICE,
    alerts=(
        Alert(
            name="UplinkDown",
            expr="""\
(hostcollector_host_link_up == 0
  and (hostcollector_host_link_guests > 0
    or device:hostcollector_host_link_up:max1d == 1))
unless on (job, instance, device) hostcollector_host_bond_member_up""",
            lasts="1m",
            keeps="5m",
            severity=Severity.CRITICAL,
            summary="Link {{ $labels.device }} of {{ $labels.instance }} is down",
            description='Guests that depend on it have no network: `libvirt_domain_uplink_info{uplink="{{ $labels.device }}"}` lists them. Check the cable, the transceiver and the switch port (`ethtool {{ $labels.device }}`).',
        ),
        Alert(
            name="UplinkFlapping",
            expr='increase(hostcollector_host_link_carrier_changes_total{to="down"}[1h]) > $carrier_losses_per_hour',
            keeps="30m",
            severity=Severity.WARNING,
            summary="Link {{ $labels.device }} of {{ $labels.instance }} has lost its carrier {{ $value | humanize }} times in an hour",
            description="Each loss interrupts the guests' traffic. Check `ethtool -S {{ $labels.device }}` for errors, then replace cable or transceiver.",
        ),
        Alert(
            name="UplinkSlow",
            expr="""\
hostcollector_host_link_speed_bytes_per_second
< device:hostcollector_host_link_speed_bytes_per_second:max1d""",
            lasts="15m",
            severity=Severity.WARNING,
            summary="Link {{ $labels.device }} of {{ $labels.instance }} runs at {{ $value | humanize }}B/s, slower than before",
            description="The two ends agreed on a lower speed, or a bond has lost a member. Compare `ethtool {{ $labels.device }}` with the switch port.",
        ),
        Alert(
            name="BondMemberDown",
            expr="hostcollector_host_bond_member_up == 0",
            lasts="5m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="Member {{ $labels.device }} of bond {{ $labels.bond }} of {{ $labels.instance }} is down",
            description="The bond works without redundancy and with less bandwidth. Check cable, transceiver and switch port of {{ $labels.device }} (`cat /proc/net/bonding/{{ $labels.bond }}`).",
        ),
        Alert(
            name="InfiniBandPortDown",
            expr="""\
hostcollector_host_infiniband_state_id < 4
and port:hostcollector_host_infiniband_state_id:max1d >= 4""",
            lasts="2m",
            component="infiniband",
            keeps="5m",
            severity=Severity.CRITICAL,
            summary="RDMA port {{ $labels.device }}/{{ $labels.port }} of {{ $labels.instance }} was active and is not",
            description="Jobs that use it fail or hang. Check the cable and the switch port (`ibstat {{ $labels.device }}`). State 2 means that the subnet manager does not answer.",
        ),
        Alert(
            name="InfiniBandPortErrors",
            expr="""\
label_replace(increase(hostcollector_host_infiniband_link_downed_total[1h]),
  "kind", "link_downed", "", "") > 0
or label_replace(increase(hostcollector_host_infiniband_link_error_recovery_total[1h]),
  "kind", "link_error_recovery", "", "") > 0
or label_replace(increase(hostcollector_host_infiniband_local_link_integrity_errors_total[1h]),
  "kind", "local_link_integrity", "", "") > 0
or label_replace(increase(hostcollector_host_infiniband_symbol_error_total[1h]),
  "kind", "symbol", "", "") > $infiniband_errors_per_hour
or label_replace(increase(hostcollector_host_infiniband_port_errors_received_total[1h]),
  "kind", "received", "", "") > $infiniband_errors_per_hour""",
            component="infiniband",
            keeps="30m",
            severity=Severity.WARNING,
            summary="RDMA port {{ $labels.device }}/{{ $labels.port }} of {{ $labels.instance }} has had {{ $value | humanize }} errors ({{ $labels.kind }}) in an hour",
            description="The cable or a transceiver is marginal: retransmissions slow every job on the port. Clean or replace it, and compare with the other end (`perfquery -x`).",
        ),
        Alert(
            name="InfiniBandLinkFlapping",
            expr="increase(hostcollector_host_infiniband_link_downed_total[1h]) > $carrier_losses_per_hour",
            keeps="30m",
            severity=Severity.CRITICAL,
            component="infiniband",
            summary="RDMA port {{ $labels.device }}/{{ $labels.port }} of {{ $labels.instance }} has gone down {{ $value | humanize }} times in an hour",
            description="Each time every job that uses the port fails or stalls. Take the host out of scheduling, then replace cable or transceiver.",
        ),
        Alert(
            name="RoCECongestion",
            expr="""\
label_replace(rate(hostcollector_host_infiniband_out_of_sequence_packets_received_total[5m]),
  "kind", "out_of_sequence", "", "") > $roce_events_per_second
or label_replace(rate(hostcollector_host_infiniband_np_cnp_packets_sent_total[5m]),
  "kind", "congestion_notifications", "", "") > 100 * $roce_events_per_second""",
            lasts="15m",
            keeps="30m",
            severity=Severity.WARNING,
            component="infiniband",
            summary="RDMA port {{ $labels.device }}/{{ $labels.port }} of {{ $labels.instance }} has {{ $value | humanize }} events per second of the kind {{ $labels.kind }}",
            description="Packets are lost or delayed in the fabric: all jobs on it slow down. Check priority flow control and ECN on the switches of the path.",
        ),
    ),
)
