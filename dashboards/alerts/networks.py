"""Interfaces of guests: their limits, and their ports on Open vSwitch and OVN."""

from dashboards.alerts.alert import Alert, Audience, Group, Scope, Severity

GROUP = Group(
    name="networks",
    component="network",
    scope=Scope.GUEST,
    alerts=(
        Alert(
            name="GuestNetworkLimitDrift",
            expr="libvirt_domain_interface_limit_drift == 1",
            lasts="5m",
            severity=Severity.WARNING,
            summary="Interface {{ $labels.target_device }} of $guest lacks the {{ $labels.direction }} limit of its definition",
            description="The kernel has no limit or another one, so the guest gets more or less than it was sold. Compare `tc -s qdisc show dev {{ $labels.target_device }}` with `virsh domiftune`, then set the limit again.",
        ),
        Alert(
            name="GuestNetworkHeldBack",
            expr="rate(libvirt_domain_interface_limit_drops_total[5m]) > $network_drops_per_second",
            lasts="15m",
            audience=Audience.TENANT,
            severity=Severity.INFO,
            summary="The {{ $labels.direction }} limit of interface {{ $labels.target_device }} of $guest drops {{ $value | humanize }} packets per second",
            description="The limit holds the guest back, as configured; short bursts are dropped even if the average is low. Compare the limit with the flavour. If it is right, the tenant needs a faster network or smaller bursts.",
        ),
        Alert(
            name="GuestNetworkNearLimit",
            expr="interface:libvirt_domain_network_limit_usage:ratio_rate5m > $near_limit_ratio",
            lasts="15m",
            audience=Audience.TENANT,
            severity=Severity.INFO,
            summary="Interface {{ $labels.target_device }} of $guest uses {{ $value | humanizePercentage }} of its {{ $labels.direction }} limit",
            description="The limit slows the guest down, as configured. Compare the limit with the flavour. If it is right, the tenant needs a faster network.",
        ),
        Alert(
            name="GuestOVSPortFailed",
            expr="libvirt_domain_ovs_port_failed == 1",
            lasts="2m",
            severity=Severity.CRITICAL,
            summary="Open vSwitch could not set up port {{ $labels.target_device }} of $guest",
            description="The guest has no network on this interface. `ovs-vsctl --columns=name,error find Interface 'error!=[]'` shows the error.",
        ),
        Alert(
            name="GuestOVNPortDown",
            expr="libvirt_domain_ovn_port_bound == 1 and libvirt_domain_ovn_port_up == 0",
            lasts="5m",
            severity=Severity.CRITICAL,
            summary="OVN has not set up port {{ $labels.logical_port }} of $guest",
            description="The guest has no network on this port. Check ovn-controller on the host, and its connection to the southbound database.",
        ),
        Alert(
            name="GuestOVNPortNotBound",
            expr="libvirt_domain_ovn_port_bound == 0",
            lasts="15m",
            severity=Severity.WARNING,
            summary="Port {{ $labels.logical_port }} of $guest is bound to another host",
            description="The guest runs here, and OVN sends its packets elsewhere. After a migration that is over this must not last.",
        ),
        Alert(
            name="OVSDBSilent",
            expr="""\
label_replace(hostcollector_ovs_database_age_seconds, "database", "Open vSwitch", "", "") > 120
or label_replace(hostcollector_ovn_database_age_seconds, "database", "OVN southbound", "", "") > 300""",
            lasts="5m",
            keeps="10m",
            severity=Severity.WARNING,
            scope=Scope.HOST,
            summary="The {{ $labels.database }} database has not answered hostcollector on {{ $labels.instance }} for {{ $value | humanizeDuration }}",
            description="Changes of ports and networks may no longer reach this host; packets still flow by the old rules.",
        ),
        Alert(
            name="OVSPortsUnclaimed",
            expr="hostcollector_ovs_ports_unclaimed - hostcollector_ovs_ports_unclaimed offset 6h > $unclaimed_ports",
            lasts="30m",
            severity=Severity.INFO,
            scope=Scope.HOST,
            summary="Open vSwitch on {{ $labels.instance }} has {{ $value }} more ports without a guest than six hours ago",
            description="Ports of ended guests are left behind. They cost little each, and slow the switch down when they are many.",
        ),
    ),
)
