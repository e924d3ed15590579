"""Charts as static SVG: altair draws, vl-convert renders, the page's own colours show through.

Data enters as values, never as names of fields, titles or expressions, so that no text of it means anything to Vega.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from curate.reporting.markup import visible

# Okabe and Ito's colours for all kinds of colour vision; yellow, faint on white, and black, lost on dark, give way to grey.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#888888")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3])  # five, so that the eighth line is not the first again
WIDTH, HEIGHT = 660, 260
MAX_POINTS = 40  # a line of more points is drawn without marks
CONFIG: dict[str, Any] = {
    "aria": False,  # the figure has a label of its own
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "gridColor": "#88888840",
        "domainColor": "#888888",
        "tickColor": "#888888",
        "labelLimit": 320,
    },
    "legend": {
        "labelFontSize": 13,
        "orient": "bottom",
        "direction": "vertical",
        "columns": 2,
        "labelLimit": 420,
        "symbolSize": 90,
        "symbolStrokeWidth": 2,
        "symbolOpacity": 1,
    },
}


def svg(chart: Any) -> str:
    """Return a chart as SVG text; nothing is read from the network."""
    import vl_convert

    spec = {**chart.to_dict(), "config": CONFIG}
    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))


def lines(rows: pl.DataFrame, *, x: str, y: str, x_kind: str = "Q", x_log: bool = False, zero: bool = False) -> Any:
    """Draw one line a name over the columns name, x, y and, where there are any, low, high and is_flagged.

    ``x`` and ``y`` are the titles of the axes. ``low`` to ``high`` is drawn as a band, a flagged point hollow. A null y
    leaves a gap. ``x_kind`` O takes the x as words in the order of the rows, Q as numbers, with ``x_log`` on a
    logarithmic axis to base 2. ``zero`` draws a line at 0.
    """
    names = _names(rows)
    base = alt.Chart(_values(rows)).properties(width=WIDTH, height=HEIGHT).encode(x=_x(rows, x, x_kind, x_log))
    colour = alt.Color("name:N", scale=_scale(names, PALETTE), title=None)
    has_points = rows.height <= MAX_POINTS * len(names)
    legend = alt.Legend(symbolStrokeWidth=0) if has_points else alt.Legend(symbolType="stroke")  # no dashes round marks
    dash = alt.StrokeDash("name:N", scale=_scale(names, DASHES), title=None, legend=legend)
    height = alt.Y("y:Q", title=y, scale=alt.Scale(zero=zero))
    layers = [alt.Chart().mark_rule(color="#888888").encode(y=alt.datum(0))] if zero else []
    if "low" in rows.columns:
        layers.append(base.mark_area(opacity=0.15).encode(y="low:Q", y2="high:Q", color=colour))
    layers.append(base.mark_line(strokeWidth=2).encode(y=height, color=colour, strokeDash=dash))
    if has_points:
        layers.append(_points(base, names).encode(y=height, color=colour))
    return alt.layer(*layers)


def _points(base: alt.Chart, names: list[str]) -> Any:
    hollow = alt.condition("datum.is_flagged", alt.value(0), alt.value(1))
    fill = alt.Fill("name:N", scale=_scale(names, PALETTE), title=None)
    shape = alt.Shape("name:N", scale=_scale(names, SHAPES), title=None)
    return base.mark_point(size=55, strokeWidth=2, opacity=1).encode(fill=fill, shape=shape, fillOpacity=hollow)


def _x(rows: pl.DataFrame, title: str, kind: str, is_log: bool) -> alt.X:
    if kind == "O":
        order = [visible(each) for each in rows["x"].unique(maintain_order=True)]
        return alt.X("x:O", title=title, sort=order, axis=alt.Axis(labelAngle=0))
    if is_log:
        ticks = rows["x"].unique().sort().to_list()
        scale = alt.Scale(type="log", base=2)
        return alt.X("x:Q", title=title, scale=scale, axis=alt.Axis(values=ticks, format=",d"))
    return alt.X("x:Q", title=title, axis=alt.Axis(tickCount=8, format="~s"))


def bars(rows: pl.DataFrame, *, x: str, percent: bool = False) -> Any:
    """Draw one horizontal bar a row over the columns name, y and, where there are any, low and high and kind.

    ``x`` is the title of the axis of values, ``percent`` writes them so; bars of one name are stacked by ``kind``, in
    the order of the rows. A null y has no bar.
    """
    names = _names(rows)
    format_ = ".0%" if percent else ",.3~g"
    if "kind" in rows.columns:
        kinds = rows["kind"].unique(maintain_order=True).to_list()
        rows = rows.with_columns(place=pl.col("kind").cast(pl.Enum(kinds)).to_physical())
    base = alt.Chart(_values(rows)).properties(width=WIDTH - 120, height=alt.Step(26))
    place = alt.Y("name:N", sort=names, title=None)
    value = alt.X("y:Q", title=x, axis=alt.Axis(format=format_, tickCount=6))
    if "kind" in rows.columns:
        colour = alt.Color("kind:N", scale=_scale(kinds, PALETTE), title=None)
        return alt.layer(base.mark_bar(height=16).encode(y=place, x=value, color=colour, order="place:Q"))
    layers = [base.mark_bar(color=PALETTE[0], opacity=0.45, height=16).encode(y=place, x=value)]
    if "low" in rows.columns:
        layers.append(base.mark_rule(strokeWidth=3, color=PALETTE[0]).encode(y=place, x="low:Q", x2="high:Q"))
    else:
        text = alt.Text("y:Q", format=".1%" if percent else ",.3~g")
        layers.append(base.mark_text(align="left", dx=4, fontSize=13).encode(y=place, x=value, text=text))
    return alt.layer(*layers)


def _names(rows: pl.DataFrame) -> list[str]:
    return [visible(name) for name in rows["name"].unique(maintain_order=True)]


def _values(rows: pl.DataFrame) -> alt.InlineData:
    records = [{key: visible(v) if isinstance(v, str) else v for key, v in row.items()} for row in rows.to_dicts()]
    return alt.InlineData(values=records)


def _scale(names: Sequence[str], choices: Sequence[Any]) -> alt.Scale:
    return alt.Scale(domain=list(names), range=[choices[place % len(choices)] for place in range(len(names))])
