"""Do tenants get answers, fast, and only their own? The gateway's workers."""

from dashboards.src.board import Board
from dashboards.src.panels import GOOD, Query, Row, graph, states
from dashboards.src.variables import Scope

_STATE = Row(
    title="State",
    panels=(
        states(
            "Store's lock verified",
            "Whether the store gives nothing to a tenant that does not exist. Bad: no; PromQL is stopped then.",
            Query("hostcollector_gateway_store_lock_verified{HOST}", "{{instance}}"),
            states=GOOD,
            unit="none",
        ),
        graph(
            "Age of the accounts",
            "Since when a worker's copy of tenants and tokens is known to hold. Bad: above 60 s requests are refused.",
            Query("hostcollector_gateway_accounts_age_seconds{HOST}", "{{instance}}"),
            unit="s",
            warn=30,
            bad=60,
        ),
    ),
)
_ANSWERS = Row(
    title="Answers",
    panels=(
        graph(
            "Requests answered",
            "Requests with data.",
            Query("rate(hostcollector_gateway_answers_total{HOST}[$__rate_interval])", "{{instance}}"),
            unit="ops",
        ),
        graph(
            "Bytes answered",
            "What tenants read.",
            Query("rate(hostcollector_gateway_answer_bytes_total{HOST}[$__rate_interval])", "{{instance}}"),
            unit="Bps",
        ),
        graph(
            "Duration of requests",
            "How long requests with a good token take. Bad: the 99th percentile above two seconds.",
            Query(
                "histogram_quantile(0.5,"
                " rate(hostcollector_gateway_request_duration_seconds_bucket{HOST}[$__rate_interval]))",
                "median, {{instance}}",
            ),
            Query(
                "histogram_quantile(0.99,"
                " rate(hostcollector_gateway_request_duration_seconds_bucket{HOST}[$__rate_interval]))",
                "99th percentile, {{instance}}",
            ),
            unit="s",
            warn=1,
            bad=2,
        ),
        graph(
            "Requests refused",
            "Refused requests by cause. Bad: many unauthorized ones are guesses; unavailable ones are the store's.",
            Query(
                "sum by (cause) (rate(hostcollector_gateway_refusals_total{HOST}[$__rate_interval])) > 0",
                "{{cause}}",
            ),
            unit="ops",
            empty="none",
        ),
    ),
)
_FAULTS = Row(
    title="Faults",
    panels=(
        graph(
            "Requests that the store did not answer",
            "Bad: any that last.",
            Query("rate(hostcollector_gateway_store_failures_total{HOST}[$__rate_interval])", "{{instance}}"),
            unit="ops",
            warn=0.01,
            bad=1,
        ),
        graph(
            "Requests that could not be recorded",
            "Refused because the audit cannot be written. Bad: any.",
            Query(
                "increase(hostcollector_gateway_audit_failures_total{HOST}[$__rate_interval])", "{{instance}}"
            ),
            bad=1,
        ),
        graph(
            "Certificates end in",
            "Time until certificates end, by the setting that names them. Bad: below two weeks.",
            Query(
                "hostcollector_gateway_certificate_expiry_timestamp_seconds{HOST} - time()",
                "{{setting}}, {{instance}}",
            ),
            unit="s",
            warn=1_209_600,
            bad=259_200,
            low_is_bad=True,
            empty="no certificate is configured",
        ),
        graph(
            "Versions",
            "Workers by the version that they run. Bad: two versions for long.",
            Query("count by (version) (hostcollector_gateway_build_info{HOST})", "{{version}}"),
        ),
    ),
)

BOARD = Board(
    name="gateway",
    title="Gateway for tenants",
    description="Do tenants get answers, fast, and only their own? What is refused, and what the store does not answer.",
    scope=Scope.GATEWAY,
    rows=(_STATE, _ANSWERS, _FAULTS),
)
