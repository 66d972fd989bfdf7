"""What the BMC reports of the chassis, and the BMC itself."""

from dashboards.alerts.alert import Alert, Group, Scope, Severity

GROUP = Group(
    name="hardware",
    component="chassis",
    scope=Scope.HOST,
    alerts=(
        Alert(
            name="BMCSilent",
            expr="hostcollector_host_redfish_up == 0",
            lasts="5m",
            keeps="10m",
            severity=Severity.WARNING,
            summary="The BMC of the GPUs on {{ $labels.instance }} does not answer",
            description="Power, temperature and errors of its passed-through GPUs are unknown; alerts on them cannot fire. Run `hostcollector diagnose` on the host, then check the BMC itself.",
        ),
        Alert(
            name="LeakDetected",
            expr="hostcollector_host_leak_detector_state_id > 0",
            severity=Severity.CRITICAL,
            summary="Leak detector {{ $labels.detector }} of {{ $labels.chassis }} on {{ $labels.instance }} reports {{ if ge $value 2.0 }}critical{{ else }}warning{{ end }}",
            description="Coolant may reach the boards. Call the data centre at once, move the guests away, and follow the maker's procedure before the host is switched off.",
        ),
        Alert(
            name="InletTemperatureHigh",
            expr='hostcollector_host_air_temperature_celsius{place="inlet"} > $inlet_celsius',
            lasts="10m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="The air at the inlet of {{ $labels.chassis }} on {{ $labels.instance }} has {{ $value | humanize }} °C",
            description="All GPUs of the host will slow down. Check whether neighbours in the rack are warm too. If they are, the room is the cause; if not, check air baffles and filters of this host.",
        ),
        Alert(
            name="PowerSupplyFailed",
            expr="hostcollector_host_power_supply_health_id > 0",
            lasts="5m",
            keeps="15m",
            severity=Severity.WARNING,
            summary="Power supply {{ $labels.supply }} of {{ $labels.chassis }} on {{ $labels.instance }} has the health {{ if ge $value 2.0 }}critical{{ else }}warning{{ end }}",
            description="The host may have lost its redundancy; GPUs may be slowed down to save power. Check the cable and the circuit, then replace the power supply.",
        ),
    ),
)
