"""Figure -> plotly figure; `spread` draws those of differences and uncertainty. Only these two know plotly.

Each kind of thing has a family of colours that differ in lightness as well as hue, so that neighbours stay apart for
every eye and in grey print; an id keeps its colour from figure to figure. What was asked for, promised or allowed is
drawn as a dashed dark line.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping

import plotly.graph_objects as go

from stackyard.report import spread
from stackyard.report.document import (
    Bars,
    Curves,
    Fan,
    Figure,
    Lines,
    Map,
    Parity,
    Report,
    Sankey,
    Series,
    StackedArea,
    Strip,
    Tornado,
    Waterfall,
)
from stackyard.report.spread import named
from stackyard.report.style import FONT, INK, QUIET, RULE, html
from stackyard.words.spoken import Words

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "service": ("#1f4e79", "#7fb2e0", "#0f7f86", "#b9d6ee", "#3f6fb5", "#8fcfcf"),
    "wafer": ("#6b7280", "#a9b1bd", "#4b5563", "#c9ced6", "#87909c", "#33373d"),
    "supply": ("#b45309", "#f3b559", "#7c3f12", "#f8dca4", "#d97f3f", "#5a3a22"),
    "accelerator": ("#54398a", "#b39ad9", "#8c2f6b", "#dcc6ea", "#7d63b8", "#d38bb3"),
    "site": ("#1b6e4a", "#8cc9a4", "#566b1c", "#c9e0a3", "#3c9a86", "#0b4238"),
    "cost": ("#d98a1f", "#54398a", "#1b6e4a", "#9aa1ab", "#3f7fc0", "#33373d"),
    "total": ("#1f4e79", "#b45309"),
    "own": ("#15181d",),
    "stacks": ("#b45309",),
    "limit": ("#15181d", "#a3361f"),
}
_OTHER = ("#9aa1ab", "#c9ced6")
_DASHES = ("dash", "dot")
_PAD, _MARGIN = 20, 28  # px between the boxes of a Sankey diagram, and above and below them

Colours = Mapping[str, str]


def colours(report: Report) -> Colours:
    """A colour for every id in the report's figures: the kind chooses the family, first use the place in it.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> len(colours(report)) > 2
    True
    """
    chosen: dict[str, str] = {}
    used: dict[str, int] = {}
    for figure in report.figures:
        for id_ in _ids(figure):
            if id_ not in chosen:
                kind = id_.split("/")[0] if "/" in id_ else ""
                family = FAMILIES.get(kind, _OTHER)
                chosen[id_] = family[used.get(kind, 0) % len(family)]
                used[kind] = used.get(kind, 0) + 1
    return chosen


def _ids(figure: Figure) -> list[str]:
    data = figure.data
    if isinstance(data, Sankey):
        return [node.id for node in data.nodes]
    if isinstance(data, Map):
        return [spot.id for spot in data.spots]
    if isinstance(data, Parity):
        return [cloud.id for cloud in data.clouds]
    return [] if isinstance(data, Strip | Waterfall | Fan | Tornado) else [series.id for series in data.series]


def legend(figure: Figure, palette: Colours, words: Words) -> list[tuple[str, str, str]]:
    """(name, colour, 'solid' or the dash) of every series, in the order in which the eye meets them; top first.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> from stackyard.words.spoken import Words
    >>> figure = report.figures[0]
    >>> [kind for _, _, kind in legend(figure, colours(report), Words("en"))][:1]
    ['dash']
    """
    data = figure.data
    if isinstance(data, Fan | Tornado):
        return spread.legend(data, words)
    if isinstance(data, Sankey | Strip | Waterfall):
        return []
    if isinstance(data, Map):
        return [(f"{i} {spot.name}", palette[spot.id], "solid") for i, spot in enumerate(data.spots, 1)]
    if isinstance(data, Parity):
        return [(cloud.name, palette[cloud.id], "solid") for cloud in data.clouds]
    solid = [(series.name, palette[series.id], "solid") for series in data.series]
    stacked = isinstance(data, StackedArea | Bars)
    limits = [(series.name, FAMILIES["limit"][i % 2], _DASHES[i % 2]) for i, series in enumerate(data.limits)]
    return limits + (solid[::-1] if stacked else solid)


def draw(figure: Figure, palette: Colours, words: Words, with_legend: bool = True) -> go.Figure:
    """The plotly figure, without a title: whoever shows it has the caption.

    >>> from stackyard import api
    >>> report = api.plan("first-plan", steps=False).report
    >>> from stackyard.words.spoken import Words
    >>> len(draw(report.figures[0], colours(report), Words("en")).data) > 0
    True
    """
    kind: Callable[..., go.Figure] = KINDS[type(figure.data)]
    drawn = kind(figure.data, palette, words)
    drawn.update_layout(
        template="none",
        separators=words.digits(".,"),
        font={"family": FONT, "size": 12, "color": QUIET},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"bgcolor": "#ffffff", "bordercolor": RULE, "font": {"color": INK, "size": 12, "family": FONT}},
        showlegend=with_legend
        and not isinstance(figure.data, Sankey | Strip | Map | Parity | Waterfall | Fan | Tornado),
        legend={"orientation": "h", "y": -0.12, "yanchor": "top", "x": 0},
    )
    return drawn


def library() -> str:
    """Plotly's JavaScript as it ships in its wheel, to be put into a page once."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _lines(data: Lines, palette: Colours, words: Words) -> go.Figure:
    drawn = go.Figure([_line(series, data, palette[series.id]) for series in data.series])
    _limits(drawn, data)
    return _axes(drawn, data, words)


def _curves(data: Curves, palette: Colours, words: Words) -> go.Figure:
    """Lines over numbers; the marks as upright dashed lines with their words."""
    drawn = _lines(data, palette, words)
    drawn.update_xaxes(type="linear", tickformat=",~r", hoverformat=",.3~f", dtick=None, ticklabelmode="instant")
    drawn.update_xaxes(title={"text": html(data.x_title), "font": {"color": QUIET, "size": 12}})
    for at, said in data.marks:
        label = {
            "text": html(said),
            "font": {"color": INK, "size": 12},
            "textangle": 0,
            "textposition": "end",
            "xanchor": "left",
        }
        drawn.add_vline(at, line={"color": INK, "width": 1.5, "dash": "dash"}, label=label)
    return drawn


def _areas(data: StackedArea, palette: Colours, words: Words) -> go.Figure:
    drawn = go.Figure()
    for series in data.series:
        drawn.add_scatter(
            x=data.x,
            y=series.values,
            name=series.name,
            stackgroup="one",
            mode="lines",
            line={"width": 0.8, "color": "#ffffff", "shape": "hvh" if data.steps else "linear"},
            fillcolor=palette[series.id],
            hovertemplate=_hover(series, data),
        )
    _limits(drawn, data)
    return _axes(drawn, data, words)


def _bars(data: Bars, palette: Colours, words: Words) -> go.Figure:
    drawn = go.Figure()
    for series in data.series:
        drawn.add_bar(
            x=data.x,
            y=series.values,
            name=series.name,
            marker={"color": palette[series.id], "line": {"width": 0.8, "color": "#ffffff"}},
            hovertemplate=_hover(series, data),
        )
    _limits(drawn, data, mode="lines+markers")
    drawn.update_layout(barmode="stack", bargap=0.45)
    return _axes(drawn, data, words)


def _line(series: Series, data: Lines, colour: str, dash: str = "solid", mode: str = "lines") -> go.Scatter:
    return go.Scatter(
        x=data.x,
        y=series.values,
        name=series.name,
        mode=mode,
        line={"color": colour, "width": 2, "dash": dash, "shape": "hvh" if data.steps else "linear"},
        hovertemplate=_hover(series, data),
    )


def _limits(drawn: go.Figure, data: Lines, mode: str = "lines") -> None:
    for i, series in enumerate(data.limits):
        drawn.add_trace(_line(series, data, FAMILIES["limit"][i % 2], _DASHES[i % 2], mode))


def _hover(series: Series, data: Lines) -> str:
    unit = f" {html(data.unit)}" if data.unit else ""
    return f"{html(series.name)}: %{{y:,.3~f}}{unit}<extra></extra>"


def _axes(drawn: go.Figure, data: Lines, words: Words) -> go.Figure:
    """Years below, horizontal rules only, the unit written above the axis instead of up its side."""
    by_year = isinstance(data, Bars)
    drawn.update_layout(
        hovermode="x unified",
        margin={"l": 8, "r": 14, "t": 34, "b": 8},
        height=360,
        xaxis={
            "type": "category" if by_year else "date",
            "tickformat": "" if by_year else "%Y",
            "hoverformat": "" if by_year else words("%B %Y"),
            "dtick": None if by_year else "M12",
            "showgrid": False,
            "linecolor": QUIET,
            "ticks": "" if by_year else "outside",
            "tickcolor": QUIET,
            "ticklabelmode": "instant" if by_year else "period",
            "automargin": True,
            "fixedrange": True,
        },
        yaxis={
            "gridcolor": RULE,
            "zeroline": False,
            "rangemode": "tozero",
            "tickformat": ",~r",
            "nticks": 6,
            "automargin": True,
            "fixedrange": True,
        },
    )
    return named(drawn, f"{data.y_title} ({data.unit})" if data.unit else data.y_title)


def _strip(data: Strip, palette: Colours, words: Words) -> go.Figure:
    rows = [_wrapped(row, 16) or " " for row in data.rows]
    drawn = go.Figure(
        go.Heatmap(
            x=data.x,
            y=rows,
            z=data.share,
            customdata=[[html(cell) for cell in row] for row in data.text],
            colorscale=[[0, "#f3f4f6"], [0.001, "#fbe3c8"], [0.5, "#e08a3c"], [1, "#8c2f10"]],
            zmin=0,
            zmax=1,
            xgap=1,
            ygap=3,
            showscale=False,
            hovertemplate="%{x|" + words("%B %Y") + "}<br>%{customdata}<extra></extra>",
        )
    )
    if data.binding:
        marked = [rows[i] for i in data.binding]
        dot = {"size": 5, "color": INK, "line": {"color": "#ffffff", "width": 1}}
        drawn.add_scatter(x=data.x, y=marked, mode="markers", marker=dot, hoverinfo="skip")
    drawn.update_layout(
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        height=70 + 38 * len(rows),
        xaxis={
            "type": "date",
            "tickformat": "%Y",
            "dtick": "M12",
            "ticklabelmode": "period",
            "showgrid": False,
            "zeroline": False,
            "automargin": True,
            "fixedrange": True,
        },
        yaxis={"autorange": "reversed", "automargin": True, "showgrid": False, "fixedrange": True, "ticks": ""},
    )
    return drawn


def _map(data: Map, palette: Colours, words: Words) -> go.Figure:
    unit = html(data.unit)
    drawn = go.Figure(
        go.Contour(
            x=data.x,
            y=data.y,
            z=data.height,
            colorscale=[[0, "#eef4fb"], [0.5, "#9cc3e6"], [1, "#2f6ca3"]],
            contours={
                "coloring": "heatmap",
                "showlabels": True,
                "labelformat": ",.0f",
                "labelfont": {"size": 11, "color": INK},
            },
            line={"width": 0.8, "color": "#ffffff"},
            ncontours=10,
            showscale=False,
            hovertemplate=f"%{{x:,.4~r}}, %{{y:,.3~r}}: %{{z:,.4~r}} {unit}<extra></extra>",
        )
    )
    for number, spot in reversed(list(enumerate(data.spots, 1))):  # the first is drawn last, above the others
        drawn.add_scatter(
            x=[spot.x],
            y=[spot.y],
            mode="markers+text",
            text=[str(number)],
            textfont={"size": 10, "color": "#ffffff"},
            marker={"size": 17, "color": palette[spot.id], "line": {"width": 1, "color": "#ffffff"}},
            hovertemplate=f"{html(spot.name)}<br>{html(spot.text)}<extra></extra>",
        )
    axis = {
        "type": "log",
        "tickvals": [2.0**k for k in range(-2, 18)],
        "ticktext": [words.digits(f"{2.0**k:,g}") for k in range(-2, 18)],
        "showgrid": False,
        "zeroline": False,
        "linecolor": QUIET,
        "ticks": "outside",
        "automargin": True,
        "fixedrange": True,
    }
    ends = [[math.log10(values[0]), math.log10(values[-1])] for values in (data.x, data.y)]
    drawn.update_layout(
        margin={"l": 8, "r": 14, "t": 34, "b": 8},
        height=520,
        hovermode="closest",
        xaxis={**axis, "range": ends[0], "title": {"text": html(data.x_title), "standoff": 8}},
        yaxis={**axis, "range": ends[1]},
    )
    return named(drawn, data.y_title)


def _parity(data: Parity, palette: Colours, words: Words) -> go.Figure:
    drawn, measured, predicted = go.Figure(), words("measured"), words("predicted")
    every = [value for cloud in data.clouds for value in (*cloud.measured, *cloud.predicted)]
    low, high = min(every, default=1.0) / 1.3, max(every, default=1.0) * 1.3
    for factor, dash in ((1.0, "solid"), (data.band, "dot"), (1 / data.band, "dot")):
        line = {"color": INK if factor == 1.0 else QUIET, "width": 1, "dash": dash}
        drawn.add_scatter(x=[low, high], y=[low * factor, high * factor], mode="lines", line=line, hoverinfo="skip")
    for cloud in data.clouds:
        drawn.add_scatter(
            x=cloud.measured,
            y=cloud.predicted,
            mode="markers",
            marker={"size": 5, "color": palette[cloud.id], "opacity": 0.55},
            text=[html(text) for text in cloud.texts],
            hovertemplate=f"%{{text}}<br>{measured} %{{x:,.4~r}}, {predicted} %{{y:,.4~r}} "
            f"{html(data.unit)}<extra>{html(cloud.name)}</extra>",
        )
    axis = {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "dtick": 1,
        "gridcolor": RULE,
        "zeroline": False,
        "linecolor": QUIET,
        "automargin": True,
        "fixedrange": True,
        "tickformat": "~g",
    }
    drawn.update_layout(
        margin={"l": 8, "r": 14, "t": 34, "b": 8},
        height=480,
        hovermode="closest",
        xaxis={**axis, "title": {"text": html(f"{measured} ({data.unit})"), "standoff": 8}},
        yaxis=axis,
    )
    return named(drawn, f"{predicted} ({data.unit})")


def _sankey(data: Sankey, palette: Colours, words: Words) -> go.Figure:
    place = {node.id: i for i, node in enumerate(data.nodes)}
    unit = html(data.unit)
    stages = max((node.stage for node in data.nodes), default=0)
    most = max((sum(node.stage == k for node in data.nodes) for k in range(stages + 1)), default=1)
    height = max(480, 68 * most)
    drawn = go.Figure(
        go.Sankey(
            arrangement="snap",
            node={
                "label": [_wrapped(node.name, 24) for node in data.nodes],
                "color": [palette[node.id] for node in data.nodes],
                "x": [min(0.999, max(0.001, node.stage / max(stages, 1))) for node in data.nodes],
                "y": _heights(data, height - 2 * _MARGIN),
                "pad": _PAD,
                "thickness": 14,
                "line": {"width": 0},
                "hovertemplate": f"%{{label}}<br>%{{value:,.3~f}} {unit}<extra></extra>",
            },
            link={
                "source": [place[start] for start, _, _ in data.links],
                "target": [place[stop] for _, stop, _ in data.links],
                "value": [amount for _, _, amount in data.links],
                "color": [_faint(palette[start]) for start, _, _ in data.links],
                "hovertemplate": f"%{{source.label}} → %{{target.label}}<br>%{{value:,.3~f}} {unit}<extra></extra>",
            },
            textfont={"color": INK, "size": 12, "family": FONT, "shadow": "0 0 3px #ffffff, 0 0 3px #ffffff"},
        )
    )
    drawn.update_layout(margin={"l": 8, "r": 8, "t": _MARGIN, "b": _MARGIN}, height=height)
    return drawn


def _heights(data: Sankey, height: float) -> list[float]:
    """Middle of each node from the top, 0 to 1: every stage in the order in which it is listed, and centred."""
    stages = max(node.stage for node in data.nodes) + 1
    members = [[node for node in data.nodes if node.stage == k] for k in range(stages)]
    most = max(len(stage) for stage in members)
    pad = _PAD / height
    amounts = {node.id: _through(data, node.id) for node in data.nodes}
    total = max(sum(amounts[node.id] for node in stage) for stage in members)
    scale = (1 - (most - 1) * pad) / max(total, 1e-30)
    middles = {}
    for stage in members:
        top = (1 - (len(stage) - 1) * pad - scale * sum(amounts[node.id] for node in stage)) / 2
        for node in stage:
            size = scale * amounts[node.id]
            middles[node.id] = min(0.999, max(0.001, top + size / 2))
            top += size + pad
    return [middles[node.id] for node in data.nodes]


def _through(data: Sankey, id_: str) -> float:
    """What flows through a node."""
    incoming = sum(amount for _, stop, amount in data.links if stop == id_)
    return max(incoming, sum(amount for start, _, amount in data.links if start == id_))


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.32)"


def _wrapped(text: str, width: int) -> str:
    return "<br>".join(html(line) for line in textwrap.wrap(text, width))


KINDS: Mapping[type, Callable[..., go.Figure]] = {
    Lines: _lines,
    StackedArea: _areas,
    Curves: _curves,
    Bars: _bars,
    Strip: _strip,
    Sankey: _sankey,
    Map: _map,
    Parity: _parity,
    Waterfall: spread.waterfall,
    Fan: spread.fan,
    Tornado: spread.tornado,
}
