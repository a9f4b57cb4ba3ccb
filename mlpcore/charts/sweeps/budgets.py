"""Performance profiles: the share of workloads that each recipe solved within a factor of the fastest."""

from collections.abc import Mapping, Sequence

from mlpcore.charts.annotations import legend, waiting_note
from mlpcore.charts.axes import axis
from mlpcore.charts.traces import Figure, Json, Translate, find_look, look_line

LEAST_FACTOR = 2.0  # of the axis, so that a small lead does not look large


def profile_chart(profiles: Mapping[str, Sequence[tuple[float, float]]], *, translate: Translate = str) -> Figure:
    """Draw a step line per recipe; a higher line is better, and one that starts higher was the fastest more often."""
    most = max([LEAST_FACTOR, *(factor for points in profiles.values() for factor, _share in points)]) * 1.1
    data: list[Json] = []
    for place, (label, points) in enumerate(profiles.items()):
        factors = [*(factor for factor, _share in points), most]
        shares = [*(share for _factor, share in points), points[-1][1] if points else 0.0]
        trace = look_line(f"profile-{place}", label, factors, shares, find_look(place))
        trace["line"] = trace["line"] | {"shape": "hv"}
        data.append(trace | {"hovertemplate": "%{y:.0%} · × %{x:.3~g}<extra>%{fullData.name}</extra>"})
    layout: Json = {
        "margin": {"l": 54, "r": 14, "t": 34, "b": 44},
        "hovermode": "closest",
        "legend": legend(),
        "annotations": [] if profiles else [waiting_note(translate)],
        "xaxis": axis(translate("times the steps of the fastest"), range=[1, most], nticks=6),
        "yaxis": axis(translate("workloads solved"), range=[-0.03, 1.03], tickformat=".0%", nticks=6),
    }
    return {"data": data, "layout": layout}
