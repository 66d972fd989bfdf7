"""The gateway for tenants: whether it answers, keeps them apart, and records what it answers."""

from dashboards.alerts.alert import Alert, Group, Scope, Severity

GROUP = Group(
    name="gateway",
    component="gateway",
    scope=Scope.SERVICE,
    selector="gateway_selector",
    alerts=(
        Alert(
            name="GatewayDown",
            expr="up == 0",
            lasts="2m",
            severity=Severity.CRITICAL,
            summary="A worker of the gateway on {{ $labels.instance }} does not answer",
            description="Tenants may get no metrics through this gateway. Run `systemctl status hostcollector-gateway` on its machine.",
        ),
        Alert(
            name="GatewayLockBroken",
            expr="hostcollector_gateway_store_lock_verified == 0",
            lasts="2m",
            severity=Severity.CRITICAL,
            summary="The gateway on {{ $labels.instance }} has stopped PromQL: the store's lock is not verified",
            description="The store does not answer, or it answers for a tenant that does not exist. The log of `hostcollector-gateway` says which; never go round the gateway.",
        ),
        Alert(
            name="GatewayStoreFails",
            expr="""\
rate(hostcollector_gateway_store_failures_total[5m])
/ (rate(hostcollector_gateway_answers_total[5m]) + rate(hostcollector_gateway_store_failures_total[5m]))
> $gateway_failure_ratio""",
            lasts="10m",
            severity=Severity.WARNING,
            summary="{{ $value | humanizePercentage }} of the gateway's requests on {{ $labels.instance }} get no answer from the store",
            description="The store is down, slow or out of memory. Look at its machine: `systemctl status hostcollector-tenant-store`.",
        ),
        Alert(
            name="GatewayAuditUnwritable",
            expr="increase(hostcollector_gateway_audit_failures_total[5m]) > 0",
            lasts="1m",
            severity=Severity.CRITICAL,
            summary="The gateway on {{ $labels.instance }} refuses requests because it cannot record them",
            description="The file system of the audit is full, read-only or does not answer. Requests are answered again as soon as they can be recorded.",
        ),
        Alert(
            name="GatewayAccountsStale",
            expr="hostcollector_gateway_accounts_age_seconds > $gateway_accounts_seconds",
            lasts="1m",
            severity=Severity.CRITICAL,
            summary="The gateway on {{ $labels.instance }} has not reached the accounts database for {{ $value | humanizeDuration }}",
            description="Above 60 s it refuses all requests, because a revoked token would still be taken. Check that the database answers from there.",
        ),
        Alert(
            name="GatewayLimitsReached",
            expr="""\
sum without (cause) (rate(hostcollector_gateway_refusals_total{cause="too_many_requests"}[15m]))
/ (rate(hostcollector_gateway_answers_total[15m])
   + sum without (cause) (rate(hostcollector_gateway_refusals_total[15m])))
> $gateway_limited_ratio""",
            lasts="30m",
            severity=Severity.INFO,
            summary="{{ $value | humanizePercentage }} of the gateway's requests on {{ $labels.instance }} are above a tenant's limit",
            description="A tenant makes more requests than its plan includes. The audit's file names it; other tenants are not affected.",
        ),
        Alert(
            name="GatewayTokensGuessed",
            expr='rate(hostcollector_gateway_refusals_total{cause="unauthorized"}[5m]) > $gateway_unauthorized_per_second',
            lasts="10m",
            component="security",
            severity=Severity.WARNING,
            summary="The gateway on {{ $labels.instance }} refuses {{ $value | humanize }} requests a second for their tokens",
            description="A client has a wrong or expired token, or tokens are guessed. A token has 256 random bits, so guessing gains nothing but load.",
        ),
        Alert(
            name="GatewaySlow",
            expr="histogram_quantile(0.99, rate(hostcollector_gateway_request_duration_seconds_bucket[5m])) > $gateway_slow_seconds",
            lasts="15m",
            severity=Severity.WARNING,
            summary="One in a hundred requests to the gateway on {{ $labels.instance }} takes {{ $value | humanizeDuration }}",
            description="Long ranges are slow in the store. The board of the gateway shows whether the store or the gateway is the cause.",
        ),
        Alert(
            name="GatewayCertificateExpires",
            expr="hostcollector_gateway_certificate_expiry_timestamp_seconds - time() < 86400 * $certificate_days",
            lasts="1h",
            severity=Severity.WARNING,
            summary="A certificate of the gateway on {{ $labels.instance }} ({{ $labels.setting }}) ends in {{ $value | humanizeDuration }}",
            description="After that tenants cannot connect, or the store refuses the gateway. Put a new certificate in its place.",
        ),
    ),
)
