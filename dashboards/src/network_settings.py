"""The rows of the network's board that are not traffic: whether VFs isolate tenants, and the links out of the host."""

from dashboards.src.panels import GOOD, Column, Query, Row, Table, Target, graph, number, states

POLICY = Row(
    title="Isolation",
    panels=(
        number(
            "VF policy violations",
            "VF settings that do not isolate tenants. Bad: any.",
            "sum(libvirt_domain_vf_policy_drift{OWNED}) or vector(0)",
            bad=1,
        ),
        number(
            "Assigned VFs",
            "VFs that guests own.",
            "count(libvirt_domain_vf_info{OWNED})",
            empty="none",
        ),
        number(
            "Unassigned VFs",
            "VFs that no guest owns.",
            "count(hostcollector_host_vf_info{HOST})",
            empty="none",
        ),
        number(
            "NICs without VF counters",
            "NICs whose driver has no counters for VFs: their traffic is not shown below. Bad for billing: any.",
            "count(hostcollector_host_pf_vf_counters_supported{HOST} == 0) or vector(0)",
            warn=1,
        ),
        number(
            "Unclaimed switch ports",
            "Ports of guests that are not active. Bad: a number that grows.",
            "sum(hostcollector_ovs_ports_unclaimed{HOST})",
            empty="no switch",
            warn=1,
        ),
        number(
            "Unresolved VLANs",
            "VLANs of guests for which the fabric controller has no network, or several. Bad: any.",
            "sum(hostcollector_network_vlans_unresolved{HOST})",
            empty="no NDFC",
            warn=1,
        ),
        Table(
            title="VF policy violations",
            description="VFs whose settings do not isolate tenants. Bad: any line.",
            columns=(
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("NIC", "pf"),
                Column("VF", "vf"),
                Column("Rule", "rule"),
                Column("UUID", "uuid", hidden=True),
                Column("Broken", expr="libvirt_domain_vf_policy_drift{OWNED} == 1", hidden=True),
            ),
            width=12,
            empty="all VFs are OK",
        ),
        Table(
            title="VFs of guests",
            description="Settings of each VF. Bad: VLAN 0, or a driver other than vfio-pci.",
            columns=(
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("NIC", "pf"),
                Column("VF", "vf"),
                Column("MAC", "mac"),
                Column("VLAN", "vlan"),
                Column("Driver", "driver"),
                Column("UUID", "uuid", hidden=True),
                Column("Is", expr="libvirt_domain_vf_info{OWNED}", hidden=True),
            ),
            width=12,
            empty="no guest owns a VF",
        ),
    ),
)
_LINK = "{{instance}} {{device}}"
UPLINKS = Row(
    title="Uplinks (links of the host, all tenants together)",
    panels=(
        Table(
            title="Links",
            description="Network cards and bonds. Bad: a link with guests that is down.",
            columns=(
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("Link", "device"),
                Column("Kind", "kind"),
                Column("In", "master"),
                Column("Driver", "driver"),
                Column("Address", "pci_address"),
                Column("Is", expr="hostcollector_host_link_info{HOST}", hidden=True),
            ),
            width=12,
            empty="no network card",
        ),
        graph(
            "Guests on links that are down",
            "Links without a carrier, and how many guests depend on each. Bad: any with guests.",
            Query("hostcollector_host_link_guests{HOST} and hostcollector_host_link_up{HOST} == 0", _LINK),
            warn=1,
            bad=1,
            empty="none",
        ),
        graph(
            "Changes of carrier",
            "Carriers lost in each interval, and failures of bonds' members. Bad: any that repeats.",
            Query(
                'increase(hostcollector_host_link_carrier_changes_total{HOST, to="down"}[$__rate_interval])',
                f"{_LINK} lost",
            ),
            Query(
                "increase(hostcollector_host_bond_member_failures_total{HOST}[$__rate_interval])",
                f"{_LINK} failed in {{{{bond}}}}",
            ),
            warn=1,
            empty="no network card",
        ),
        graph(
            "Speed",
            "Speed of each link. Bad: a lower one than before.",
            Query("8 * hostcollector_host_link_speed_bytes_per_second{HOST}", _LINK),
            unit="bps",
            empty="no driver says",
        ),
        states(
            "Members of bonds",
            "Whether the bond can use the member. Bad: no.",
            Query("hostcollector_host_bond_member_up{HOST}", f"{_LINK} in {{{{bond}}}}"),
            states=GOOD,
            unit="none",
            empty="no bond",
        ),
    ),
)
