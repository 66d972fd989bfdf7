"""Attacks in PromQL. `leaks` marks those that, sent to the store as they are, show something of others."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attack:
    """A query of tenant a, the group that it belongs to, and whether it leaks without any lock."""

    group: str
    text: str
    leaks: bool = True


ATTACKS = (
    Attack("bare selectors", "secret"),
    Attack("bare selectors", "vm_cpu_seconds_total"),
    Attack("bare selectors", '{__name__=~".+"}'),
    Attack("bare selectors", '{__name__!=""}'),
    Attack("bare selectors", "up"),
    Attack("matchers", 'secret{tenant="b"}'),
    Attack("matchers", 'vm_state{tenant!="a"}'),
    Attack("matchers", 'vm_state{tenant="a",tenant="b"}', leaks=False),
    Attack("matchers", 'vm_state{tenant=~"a|b"}'),
    Attack("matchers", 'vm_state{tenant="a" or tenant="b"}', leaks=False),
    Attack("matchers", 'up{tenant=""}'),
    Attack("matchers", '{__tenant_id__="b"}', leaks=False),
    Attack("matchers", '{vm_account_id="0"}', leaks=False),
    Attack("joins", 'vm_state{tenant="a"} unless on() secret', leaks=False),
    Attack("joins", "vm_state and on(vm) secret"),
    Attack("joins", "vm_state * on(vm) group_left() secret"),
    Attack("joins", "sum(vm_state) or secret"),
    Attack("joins", 'label_replace(vm_state, "tenant", "b", "", "") and on(tenant, vm) secret', leaks=False),
    Attack("forged labels", 'label_replace(secret, "tenant", "a", "", "")'),
    Attack("forged labels", 'label_join(secret, "x", ",", "tenant", "vm")'),
    Attack("forged labels", 'count_values("tenant", secret)'),
    Attack("forged labels", 'count_values("x\\"} or secret{x=\\"", secret)'),
    Attack("parameters", "topk(scalar(count(secret)), secret)"),
    Attack("parameters", "quantile(scalar(secret) / 1e9, vm_gpu_power_watts)"),
    Attack("parameters", "clamp_max(secret, scalar(secret))"),
    Attack("parameters", "histogram_quantile(scalar(secret) / 1e8, vm_state)", leaks=False),
    Attack("parameters", "vector(scalar(secret))"),
    Attack("ranges", "max_over_time(secret[30m])"),
    Attack("ranges", "max_over_time(rate(vm_cpu_seconds_total[5m])[30m:1m])"),
    Attack("ranges", "sum_over_time(sum(secret)[10m:1m])"),
    Attack("ranges", "secret offset 10m"),
    Attack("ranges", "secret @ end()"),
    Attack("inference", "timestamp(secret)"),
    Attack("inference", "absent(secret)", leaks=False),
    Attack("inference", "count(secret) > 0"),
    Attack("inference", "sum(vm_gpu_power_watts)"),
    Attack("inference", "avg by (tenant) (vm_gpu_power_watts)"),
    Attack("escapes", 'secret{vm!="x\\"}, or {tenant=\\"b"}'),
    Attack("escapes", 'secret{vm!=`"} or secret{tenant="b`}'),
    Attack("escapes", 'secret{vm!="\\x00\\u0000\\t\\n"}'),
    Attack("escapes", 'secret{vm!="\\\\"} # "}'),
    Attack("quoted names", '{"secret"}', leaks=False),
    Attack("quoted names", '{"secret", "tenant"="b"}', leaks=False),
    Attack("MetricsQL", "WITH (x = secret) x"),
    Attack("MetricsQL", "union(secret, up)"),
    Attack("MetricsQL", '{__name__="secret" or __name__="up"}', leaks=False),
    Attack("MetricsQL", "secret default up"),
    Attack("MetricsQL", "secret keep_metric_names", leaks=False),
    Attack("MetricsQL", 'label_set(secret, "tenant", "a")'),
    Attack("MetricsQL", "rate(vm_cpu_seconds_total)"),
    Attack("MetricsQL", '{__graphite__="secret"}', leaks=False),
    Attack("experimental", "info(secret)", leaks=False),
    Attack("experimental", "limitk(1, secret)", leaks=False),
    Attack("regular expressions", '{__name__=~"(.+)+(.+)+(.+)+"}'),
    Attack("regular expressions", '{tenant=~"(((b{0,200}){0,4})?)b"}'),
    Attack("regular expressions", '{__name__=~"^(?:(?:s)?e?c?r?e?t?)$"}'),
    Attack("sizes", "secret" + " or secret" * 40),
    Attack("sizes", "secret" + "+secret" * 2000, leaks=False),
    Attack("sizes", "-" * 4000 + "secret", leaks=False),
    Attack("sizes", "(" * 5000 + "secret" + ")" * 5000, leaks=False),
    Attack("sizes", 'secret{vm!="' + "x" * 9000 + '"}', leaks=False),
)
