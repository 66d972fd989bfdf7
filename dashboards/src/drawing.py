"""How panels look in Grafana: the same legend, colours, thresholds and links everywhere."""

from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.src.links import link
from dashboards.src.panels import Panel, Query, Shape, Table
from dashboards.src.selectors import selecting
from dashboards.src.tables import mapping, table
from dashboards.src.thresholds import thresholds
from dashboards.src.variables import DATASOURCE

Drawn = timeseries.Panel | stat.Panel | statetimeline.Panel | tables.Panel


def drawn(panel: Panel | Table) -> Drawn:
    """Return the panel as Grafana draws it."""
    if isinstance(panel, Table):
        return table(panel)
    made = _blank(panel.shape)
    made.title(panel.title).description(panel.description).datasource(DATASOURCE)
    made.unit(panel.unit).no_value(panel.empty).span(panel.width).height(panel.height)
    made.thresholds(thresholds(panel.warn, panel.bad, low_is_bad=panel.low_is_bad))
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        made.with_target(_target(letter, query, instant=panel.shape is Shape.NUMBER))
        if query.below:
            made.override_by_query(letter, [DynamicConfigValue("custom.transform", "negative-Y")])
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    if panel.states:
        made.mappings([mapping(panel.states)])
    if panel.leads_to:
        target = link(panel.leads_to, "__field.labels")
        made.override_by_regexp(".*", [DynamicConfigValue("links", [target])])
    if isinstance(made, timeseries.Panel):
        return _graph(made, panel)
    if isinstance(made, stat.Panel):
        return _number(made)
    return made.show_value(shapes.VisibilityMode.AUTO).merge_values(merge_values=True).row_height(0.8)


def _blank(shape: Shape) -> timeseries.Panel | stat.Panel | statetimeline.Panel:
    match shape:
        case Shape.GRAPH:
            return timeseries.Panel()
        case Shape.NUMBER:
            return stat.Panel()
        case Shape.STATES:
            return statetimeline.Panel()


def _target(letter: str, query: Query, *, instant: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().ref_id(letter).expr(selecting(query.expr)).legend_format(query.legend)
    target.datasource(DATASOURCE).format(PromQueryFormat.TIME_SERIES)
    return target.instant() if instant else target.range()


def _graph(made: timeseries.Panel, panel: Panel) -> timeseries.Panel:
    """Lines with a table of latest and highest values beside them, the highest first; dashed lines where it is bad."""
    legend = common.VizLegendOptions().show_legend(show_legend=True)
    legend.display_mode(shapes.LegendDisplayMode.TABLE).placement(shapes.LegendPlacement.RIGHT)
    legend.calcs(["lastNotNull", "max"]).sort_by("Max").sort_desc(sort_desc=True)
    tooltip = (
        common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING)
    )
    made.legend(legend).tooltip(tooltip).line_width(1).fill_opacity(40 if panel.stacked else 8)
    made.show_points(shapes.VisibilityMode.NEVER)
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL))
    if not any(query.below for query in panel.queries):
        made.min(0)
    if panel.maximum is not None:
        made.max(panel.maximum)
    if panel.warn is not None or panel.bad is not None:
        style = shapes.GraphThresholdsStyleMode.DASHED
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(style))
    return made


def _number(made: stat.Panel) -> stat.Panel:
    made.color_mode(shapes.BigValueColorMode.BACKGROUND).graph_mode(shapes.BigValueGraphMode.NONE)
    return made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
