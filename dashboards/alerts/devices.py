"""Virtual functions and PCIe links."""

from dashboards.alerts.alert import Alert, Group, Scope, Severity, both

GROUP = Group(
    name="devices",
    component="pci",
    scope=Scope.DEVICE,
    alerts=(
        Alert(
            name="VFDrops",
            expr="""\
label_replace(rate(libvirt_domain_vf_receive_dropped_total[5m]), "direction", "receive", "", "") > $vf_drops_per_second
or label_replace(rate(libvirt_domain_vf_transmit_dropped_total[5m]), "direction", "transmit", "", "") > $vf_drops_per_second""",
            lasts="10m",
            component="network",
            keeps="15m",
            severity=Severity.WARNING,
            summary="VF {{ $labels.vf }} of {{ $labels.pf }}, $guest drops {{ $value | humanize }} packets per second ({{ $labels.direction }})",
            description="Receive: the guest reads its packets too slowly, or is flooded. Transmit: the guest exceeds its rate limit, or the NIC drops spoofed addresses. Check the VF with `ip -s link show {{ $labels.pf }}`.",
        ),
        Alert(
            name="VFPolicyDrift",
            expr='libvirt_domain_vf_policy_drift{rule=~"$vf_rules"} == 1',
            lasts="5m",
            severity=Severity.CRITICAL,
            component="network",
            summary="VF {{ $labels.vf }} of {{ $labels.pf }}, $guest violates the policy {{ $labels.rule }}",
            description="The guest may reach or read other tenants' traffic. Compare `ip link show {{ $labels.pf }}` with the guest's definition, restore the setting, and find out who changed it.",
        ),
        Alert(
            name="VFPolicyWeak",
            expr='libvirt_domain_vf_policy_drift{rule=~"$vf_rules_weak"} == 1',
            lasts="15m",
            severity=Severity.INFO,
            component="network",
            summary="VF {{ $labels.vf }} of {{ $labels.pf }}, $guest has the setting {{ $labels.rule }}",
            description="Right in a flat network, and where Neutron asks for it. Otherwise the guest is not in its own VLAN, or does not notice that the uplink is down.",
        ),
        Alert(
            name="PCIeLinkDegraded",
            expr=both(
                'OF_pci_link_degraded{aspect="width"} == 1',
                'OF_pci_uplink_degraded{aspect="width"} == 1',
                '(OF_pci_link_degraded{aspect="speed"} == 1 unless on (job, instance, pci_address) OF_pci_info{device_class="gpu"})',
            ),
            lasts="15m",
            severity=Severity.WARNING,
            summary="PCI device {{ $labels.pci_address }} of $owner runs below the {{ $labels.aspect }} that {{ with $labels.switch_port }}the link above the switch port {{ . }}{{ else }}its link{{ end }} can do",
            description="The device works, at a fraction of its throughput. Compare LnkSta with LnkCap in `lspci -vv -s {{ $labels.pci_address }}`; reseat or replace the card, riser or cable in the next maintenance.",
        ),
        Alert(
            name="PCIeUncorrectedErrors",
            expr="""\
label_replace(
  increase(libvirt_domain_pci_aer_errors_total{severity=~"fatal|nonfatal"}[15m])
  or increase(hostcollector_host_pci_aer_errors_total{severity=~"fatal|nonfatal"}[15m])
  or increase(libvirt_domain_pci_upstream_aer_errors_total{severity=~"fatal|nonfatal"}[15m])
  or increase(hostcollector_host_pci_upstream_aer_errors_total{severity=~"fatal|nonfatal"}[15m]),
  "error", "$1", "severity", "(.*)"
) > 0""",
            severity=Severity.CRITICAL,
            summary="PCI device {{ $labels.pci_address }} of $owner has had {{ $value | humanize }} {{ $labels.error }} PCIe errors in 15 minutes",
            description="The link lost data, and the driver in the guest may have lost the device. Check `dmesg` for AER lines with {{ $labels.pci_address }}, then move the guest and take the device out of service.",
        ),
        Alert(
            name="PCIeCorrectedErrorsHigh",
            expr=both(
                'increase(OF_pci_aer_errors_total{severity="correctable"}[1h]) > $pcie_corrected_errors_per_hour',
                'increase(OF_pci_upstream_aer_errors_total{severity="correctable"}[1h]) > $pcie_corrected_errors_per_hour',
            ),
            keeps="1h",
            severity=Severity.WARNING,
            summary="PCI device {{ $labels.pci_address }} of $owner has had {{ $value | humanize }} corrected PCIe errors in an hour",
            description="The link corrects its errors at the cost of speed; such links often get worse. Check the kind (`libvirt_domain_pci_aer_errors_by_kind_total`), and plan to reseat the card or cable.",
        ),
    ),
)
