"""Tables of what is now: each query is a column, rows are matched by their labels."""

from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, prometheus
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.src.links import link
from dashboards.src.panels import Column, States, Table, Target
from dashboards.src.selectors import selecting
from dashboards.src.thresholds import steps, thresholds
from dashboards.src.variables import DATASOURCE

STEPS = 60
"""The steps of a table's `$__interval` in its range: that many times a subquery is evaluated."""


def table(panel: Table) -> tables.Panel:
    """Return the table as Grafana draws it: only the columns that the panel names, in their order."""
    made = tables.Panel().title(panel.title).description(panel.description).datasource(DATASOURCE)
    made.no_value(panel.empty).span(panel.width).height(panel.height).unit("short")
    made.thresholds(thresholds(None, None)).filterable(filterable=True).max_data_points(STEPS)
    values = [column for column in panel.columns if column.expr]
    # With one query Grafana calls the column Value, with several Value #A and so on.
    names = (
        ["Value"] if len(values) == 1 else [f"Value #{letter}" for letter in ascii_uppercase[: len(values)]]
    )
    fields = dict(zip((column.title for column in values), names, strict=True))
    fields |= {column.title: column.label for column in panel.columns if column.label}
    for letter, column in zip(ascii_uppercase, values, strict=False):
        made.with_target(_target(letter, column.expr))
    made.transformations(
        [
            DataTransformerConfig("merge", options={}),
            DataTransformerConfig(
                "filterFieldsByName",
                options={"include": {"names": [fields[column.title] for column in panel.columns]}},
            ),
            DataTransformerConfig(
                "organize",
                options={"indexByName": {fields[c.title]: place for place, c in enumerate(panel.columns)}},
            ),
        ]
    )
    for column in panel.columns:
        made.override_by_name(fields[column.title], _properties(column))
    if panel.sort:
        order = common.TableSortByFieldState().display_name(panel.sort).desc(desc=not panel.ascending)
        made.sort_by([order])
    return made


def mapping(states: States) -> ValueMap:
    """Return the names and colours of values."""
    return ValueMap(
        {
            value: ValueMappingResult(text=text, color=colour, index=place)
            for place, (value, (text, colour)) in enumerate(states.items())
        }
    )


def _target(letter: str, expr: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().ref_id(letter).expr(selecting(expr)).instant().legend_format("")
    return target.datasource(DATASOURCE).format(PromQueryFormat.TABLE)


def _properties(column: Column) -> list[DynamicConfigValue]:
    """Return name, unit, colour and link of a column."""
    found = [DynamicConfigValue("displayName", column.title)]
    if column.expr:
        found.append(DynamicConfigValue("unit", column.unit))
    if column.warn is not None or column.bad is not None:
        marks = steps(column.warn, column.bad, low_is_bad=column.low_is_bad)
        found.append(DynamicConfigValue("thresholds", {"mode": "absolute", "steps": marks}))
        found.append(DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
    if column.decimals is not None:
        found.append(DynamicConfigValue("decimals", column.decimals))
    if column.states:
        found.append(DynamicConfigValue("mappings", [mapping(column.states)]))
        found.append(DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
    targets = (column.leads_to,) if isinstance(column.leads_to, Target) else column.leads_to
    if targets:
        found.append(DynamicConfigValue("links", [link(target, "__data.fields") for target in targets]))
    if column.hidden:
        found.append(DynamicConfigValue("custom.hidden", value=True))
    return found
