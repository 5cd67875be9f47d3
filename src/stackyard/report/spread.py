"""Figures of differences and of uncertainty with plotly: waterfall, fan and tornado."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import plotly.graph_objects as go

from stackyard.report.document import Fan, Tornado, Waterfall
from stackyard.report.scale import plain
from stackyard.report.style import BAND, DOWN, INK, QUIET, RULE, UP, html
from stackyard.words.spoken import Words

Colours = Mapping[str, str]


PHONE = 48  # letters of 12 px that fit beside each other on a phone


def _broken(text: str, width: int) -> str:
    return "<br>".join(html(line) for line in textwrap.wrap(text, width))


def _step(value: float, total: bool, of: float) -> str:
    """A total, or a step with its sign; none where it is less than a millionth of the whole."""
    if total:
        return plain(value)
    return f"{'+' if value > 0 else ''}{plain(value)}" if abs(value) > 1e-6 * abs(of) else "0"


def waterfall(data: Waterfall, palette: Colours, words: Words) -> go.Figure:
    """Steps from the first total to the last."""
    unit = f" {html(data.unit)}" if data.unit else ""
    drawn = go.Figure(
        go.Waterfall(
            x=[_broken(name, 18) for name in data.x],
            y=data.values,
            measure=["absolute", *["relative"] * (len(data.x) - 2), "total"],
            text=[
                words.digits(_step(value, i in (0, len(data.x) - 1), data.values[0]))
                for i, value in enumerate(data.values)
            ],
            textposition="outside",
            increasing={"marker": {"color": UP if data.rise_is_good else DOWN}},
            decreasing={"marker": {"color": DOWN if data.rise_is_good else UP}},
            totals={"marker": {"color": QUIET}},
            connector={"line": {"color": QUIET, "width": 1, "dash": "dot"}},
            hovertemplate=f"%{{x}}: %{{y:,.4~r}}{unit}<extra></extra>",
        )
    )
    totals, run = [data.values[0]], data.values[0]
    for value in data.values[1:-1]:
        run += value
        totals.append(run)
    low, high = min(totals), max(totals)
    room = max(high - low, 0.002 * abs(high)) * 0.6
    drawn.update_layout(
        margin={"l": 8, "r": 14, "t": 34, "b": 8},
        height=380,
        xaxis={"fixedrange": True, "automargin": True, "linecolor": QUIET},
        yaxis={"range": [low - room, high + room], "gridcolor": RULE, "automargin": True, "fixedrange": True},
    )
    return named(drawn, words("{axis}; the axis does not begin at 0", axis=f"{data.y_title} ({data.unit})"))


def _shade(band: int) -> str:
    return f"rgba({BAND},{0.16 + 0.18 * band:.2f})"


def legend(data: Fan | Tornado, words: Words) -> list[tuple[str, str, str]]:
    """(name, colour, 'solid' or 'dash') of what is drawn."""
    if isinstance(data, Tornado):
        return [(words("Low end of the input"), UP, "solid"), (words("High end of the input"), DOWN, "solid")]
    bands = [(name, _shade(i), "solid") for i, (name, _, _) in enumerate(data.bands)]
    limits = [(series.name, INK, "dash") for series in data.limits]
    return [*limits, (words("Median"), f"rgb({BAND})", "solid"), *bands[::-1]]


def fan(data: Fan, palette: Colours, words: Words) -> go.Figure:
    """Bands of percentiles around the median."""
    drawn = go.Figure()
    for i, (name, low, high) in enumerate(data.bands):
        colour = _shade(i)
        line = {"width": 0, "color": colour}
        drawn.add_scatter(x=data.x, y=high, mode="lines", line=line, showlegend=False, hoverinfo="skip")
        drawn.add_scatter(
            x=data.x,
            y=low,
            mode="lines",
            line=line,
            fill="tonexty",
            fillcolor=colour,
            name=html(name),
            hoverinfo="skip",
        )
    hover = f"%{{y:,.3~f}} {html(data.unit)}"
    line = {"color": f"rgb({BAND})", "width": 2}
    drawn.add_scatter(x=data.x, y=data.middle, mode="lines", line=line, name=words("Median"), hovertemplate=hover)
    for series in data.limits:
        dashed = {"color": INK, "width": 2, "dash": "dash"}
        name = html(series.name)
        drawn.add_scatter(x=data.x, y=series.values, mode="lines", line=dashed, name=name, hovertemplate=hover)
    drawn.update_layout(
        hovermode="x unified",
        margin={"l": 8, "r": 14, "t": 34, "b": 8},
        height=360,
        xaxis={"type": "date", "tickformat": "%Y", "dtick": "M12", "showgrid": False, "fixedrange": True},
        yaxis={"gridcolor": RULE, "rangemode": "tozero", "automargin": True, "fixedrange": True},
    )
    return named(drawn, f"{data.y_title} ({data.unit})")


def tornado(data: Tornado, palette: Colours, words: Words) -> go.Figure:
    """Bars to both sides of the middle, the longest on top."""
    rows = data.rows[::-1]
    names = [_broken(name, 34) for name, _, _ in rows]
    unit = html(data.unit)
    drawn = go.Figure()
    lows, highs = [row[1] for row in rows], [row[2] for row in rows]
    ends = ((words("Low end of the input"), lows, UP), (words("High end of the input"), highs, DOWN))
    for end, values, colour in ends:
        drawn.add_bar(
            y=names,
            x=[value - data.middle for value in values],
            base=data.middle,
            orientation="h",
            name=end,
            marker={"color": colour},
            customdata=values,
            hovertemplate=f"%{{y}}, {html(end)}: %{{customdata:,.4~r}} {unit}<extra></extra>",
        )
    drawn.update_layout(
        barmode="overlay",
        bargap=0.35,
        height=120 + 34 * len(rows),
        margin={"l": 8, "r": 14, "t": 34, "b": 8},
        xaxis={"gridcolor": RULE, "fixedrange": True, "automargin": True, "title": f"{html(data.x_title)} ({unit})"},
        yaxis={"automargin": True, "fixedrange": True},
    )
    return drawn


def named(drawn: go.Figure, label: str) -> go.Figure:
    """The name of the upright axis, written above it: in lines that a phone has room for."""
    lines = _broken(label, PHONE)
    drawn.update_layout(margin_t=(drawn.layout.margin.t or 34) + 15 * lines.count("<br>"))
    drawn.add_annotation(
        text=lines,
        align="left",
        x=0,
        y=1,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        yshift=12,
        showarrow=False,
        font={"color": QUIET, "size": 12},
    )
    return drawn
