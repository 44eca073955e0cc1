"""How well the model predicts: calibration, decision curve and coverage of the intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model.analysis import CalibrationCurve, NetBenefit
from training.report.plots.canvas import (
    DASHES,
    FAINT,
    FULL_WIDTH,
    SERIES,
    Label,
    draw,
    grid,
    percent_axis,
)

_COLUMNS = 3
_LOWEST_NET_BENEFIT = -0.1


def calibration_plot(label: Label, curves: Sequence[CalibrationCurve]) -> str:
    """Draw observed against predicted survival, one panel a horizon."""
    columns = min(_COLUMNS, len(curves))
    rows = -(-len(curves) // columns)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for panel in panels[len(curves) :]:
            panel.set_visible(False)
        for place, (panel, curve) in enumerate(zip(panels, curves, strict=False)):
            _calibration(panel, curve)
            panel.set_title(f"{curve.horizon_months:g} months")
            if place % columns:
                panel.set_ylabel("")

    return draw(label, max(3.6, 2.4 * columns), 2.65 * rows, paint)


def _calibration(axes: Axes, curve: CalibrationCurve) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, linestyle=DASHES[2])
    axes.fill_between(
        curve.smooth_predicted,
        curve.smooth_lower,
        curve.smooth_upper,
        color=SERIES[0],
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(curve.smooth_predicted, curve.smooth_observed, color=SERIES[0])
    for group in curve.groups:
        if group.lower is not None and group.upper is not None:
            axes.plot([group.predicted] * 2, [group.lower, group.upper], color=SERIES[1])
        # A group in which all or none survived stands on the edge.
        axes.plot(
            group.predicted,
            group.observed,
            marker="s",
            markersize=4.5,
            color=SERIES[1],
            clip_on=False,
        )
    percent_axis(axes, "x", "Predicted survival", ticks=3)
    percent_axis(axes, "y", "Observed survival")
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7.5)
    grid(axes, "both")


def decision_plot(label: Label, benefit: NetBenefit) -> str:
    """Draw net benefit by threshold; treating nobody as high risk is zero."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        lines = (
            ("model, corrected for optimism", benefit.model_corrected, SERIES[0], 2.2),
            ("model, apparent", benefit.model, SERIES[2], 1.3),
            ("everybody high risk", benefit.everybody, SERIES[1], 1.3),
        )
        for index, (name, values, colour, width) in enumerate(lines):
            axes.plot(
                benefit.thresholds,
                values,
                color=colour,
                linewidth=width,
                linestyle=DASHES[index],
                label=name,
            )
        axes.axhline(0, color=FAINT, linewidth=1.0, label="nobody high risk")
        best = max(*benefit.everybody, *benefit.model, 0.1)
        axes.set_ylim(_LOWEST_NET_BENEFIT, 1.1 * best)
        axes.set_xlim(min(benefit.thresholds), max(benefit.thresholds))
        ticks = [t for t in np.linspace(0, 1, 11).round(1).tolist() if _inside(t, benefit)]
        axes.set_xticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
        axes.set_xlabel(f"Threshold: predicted risk of death by {benefit.horizon_months:g} months")
        axes.set_ylabel("Net benefit")
        grid(axes)
        axes.legend(loc="upper right")

    return draw(label, 6.4, 3.4, paint)


def _inside(threshold: float, benefit: NetBenefit) -> bool:
    return min(benefit.thresholds) <= threshold <= max(benefit.thresholds)


@dataclass(frozen=True)
class CoverageDot:
    """The coverage of one interval in one setting, with its Monte-Carlo error."""

    setting: str
    candidate: str
    coverage: float
    mc_error: float


def coverage_plot(label: Label, dots: Sequence[CoverageDot]) -> str:
    """Draw how often each candidate interval holds the truth; 95 % is what it promises."""
    settings = [*dict.fromkeys(dot.setting for dot in dots)]
    candidates = [*dict.fromkeys(dot.candidate for dot in dots)]
    spread = 0.6 / max(len(candidates), 1)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for index, candidate in enumerate(candidates):
            own = [dot for dot in dots if dot.candidate == candidate]
            axes.errorbar(
                [dot.coverage for dot in own],
                [settings.index(dot.setting) + (index + 0.5) * spread - 0.3 for dot in own],
                xerr=[1.96 * dot.mc_error for dot in own],
                fmt="osD^v"[index % 5],
                markersize=4,
                color=SERIES[index % len(SERIES)],
                label=candidate,
            )
        axes.axvline(0.95, color=FAINT, linestyle=DASHES[1], linewidth=1)
        low = min(0.85, *(dot.coverage - 0.03 for dot in dots))
        axes.set_xlim(max(low, 0), 1.005)
        ticks = [t / 20 for t in range(21) if low <= t / 20]
        axes.set_xticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
        axes.set_yticks(range(len(settings)), settings)
        axes.set_ylim(len(settings) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("Coverage of the 95 % interval (bars: Monte-Carlo error)")
        grid(axes, "x")
        figure.legend(loc="outside upper right", ncols=3)

    return draw(label, FULL_WIDTH, 1.2 + 0.3 * len(settings), paint)
