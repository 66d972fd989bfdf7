"""Random queries of the part of PromQL that tenants may use, and of what lies beside it."""

import random

from hostcollector.gateway.promql.language import FUNCTIONS

NAMES = (
    "vm_cpu_seconds_total",
    "vm_disk_read_bytes_total",
    "vm_network_receive_bytes_total",
    "vm_memory_available_bytes",
    "vm_state",
    "vm_gpu_power_watts",
    "secret",
    "up",
)
_LABELS = ("vm", "vcpu", "disk", "nic", "gpu", "state", "instance", "job", "tenant")
_RANGE_FUNCTIONS = [
    *sorted(name for name in FUNCTIONS if name.endswith("_over_time")),
    *("rate", "increase", "delta", "irate", "idelta", "changes", "resets", "deriv"),
]
_VECTOR_FUNCTIONS = (
    "abs",
    "ceil",
    "floor",
    "exp",
    "ln",
    "sqrt",
    "sgn",
    "round",
    "sort",
    "sort_desc",
    "timestamp",
)
_AGGREGATIONS = ("sum", "avg", "count", "min", "max", "group", "stddev", "stdvar")
_JOINS = ("+", "-", "*", "/", "%", "==", "!=", ">", "<", ">=", "and", "or", "unless")


class Grammar:
    """Makes queries from a seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def query(self) -> str:
        """Return an expression."""
        return self._vector(3)

    def _vector(self, depth: int) -> str:  # noqa: PLR0911 - one case for each kind of expression
        chance = self._chance
        if depth == 0:
            return self._selector()
        kind = chance.randrange(12)
        inner = depth - 1
        match kind:
            case 0 | 1:
                return self._selector()
            case 2 | 3:
                return self._over_range(inner)
            case 4:
                return f"{chance.choice(_VECTOR_FUNCTIONS)}({self._vector(inner)})"
            case 5:
                return f"{chance.choice(_AGGREGATIONS)}{self._group()} ({self._vector(inner)})"
            case 6:
                return self._chosen(inner)
            case 7 | 8:
                return f"{self._vector(inner)} {self._join()} {self._vector(inner)}"
            case 9:
                return self._relabelled(inner)
            case 10:
                name = chance.choice(("clamp_max", "clamp_min"))
                return f"{name}({self._vector(inner)}, {self._scalar(inner)})"
            case _:
                name = chance.choice(("absent", "-", "", "histogram_quantile(0.9, "))
                return f"{name}({self._vector(inner)})" + (")" if "," in name else "")

    def _selector(self, extra: str = "") -> str:
        chance = self._chance
        name = chance.choice((*NAMES, *NAMES, '{__name__=~"vm_.*"}', '{__name__=~".+"}', '{__name__!=""}'))
        if name.startswith("{"):
            return name + extra + self._moved()
        matchers = [self._matcher() for _ in range(chance.choice((0, 0, 1, 2)))]
        return f"{name}{{{','.join(matchers)}}}{extra}{self._moved()}"

    def _matcher(self) -> str:
        chance = self._chance
        value = chance.choice(("0", "1", ".*", "", "running", "x|0"))
        return f'{chance.choice(_LABELS[:-1])}{chance.choice(("=", "!=", "=~", "!~"))}"{value}"'

    def _moved(self) -> str:
        return self._chance.choice(
            ("", "", "", "", " offset 5m", " offset -2m", " @ start()", " @ end() offset 10m")
        )

    def _over_range(self, depth: int) -> str:
        chance = self._chance
        name = chance.choice(_RANGE_FUNCTIONS)
        parameter = f"{self._scalar(0)}, " if name == "quantile_over_time" else ""
        if depth and chance.random() < 0.3:
            return f"{name}({parameter}({self._vector(depth - 1)})[10m:1m])"
        return f"{name}({parameter}{self._selector(f'[{chance.choice((2, 5, 15))}m]')})"

    def _scalar(self, depth: int) -> str:
        if depth and self._chance.random() < 0.4:
            return f"scalar({self._vector(depth - 1)})"
        return self._chance.choice(("1", "2", "0.5", "1e6", "scalar(secret)", "scalar(sum(vm_state))"))

    def _group(self) -> str:
        if self._chance.random() < 0.4:
            return ""
        names = ", ".join(self._chance.sample(_LABELS, self._chance.randrange(3)))
        return f" {self._chance.choice(('by', 'without'))} ({names})"

    def _join(self) -> str:
        chance = self._chance
        operator = chance.choice(_JOINS)
        if chance.random() < 0.4:
            return operator
        names = ", ".join(chance.sample(_LABELS, chance.randrange(3)))
        text = f"{operator} {chance.choice(('on', 'ignoring'))} ({names})"
        if operator not in {"and", "or", "unless"} and chance.random() < 0.4:
            text += chance.choice((" group_left ()", " group_left (vm)", " group_right (tenant)"))
        return text

    def _chosen(self, depth: int) -> str:
        name = self._chance.choice(("topk", "bottomk", "quantile"))
        # Of equal values a store keeps any: only those of a selector are all different.
        inner = self._vector(depth) if name == "quantile" else self._selector()
        return f"{name}({self._scalar(depth)}, {inner})"

    def _relabelled(self, depth: int) -> str:
        chance = self._chance
        target = chance.choice(("tenant", "vm", "x"))
        inner = self._vector(depth)
        if chance.random() < 0.5:
            return f'label_replace({inner}, "{target}", "{chance.choice(("b", "$1"))}", "vm", "(.*)")'
        if chance.random() < 0.5:
            return f'label_join({inner}, "{target}", "-", "vm", "tenant")'
        return f'count_values("{target}", {inner})'
