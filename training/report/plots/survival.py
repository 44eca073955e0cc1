"""Survival curves: of the cohort, by risk category, and predicted for example patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.answer import Curve
from model.kaplan_meier import KaplanMeier
from training.report.plots.canvas import (
    DASHES,
    FAINT,
    FULL_WIDTH,
    INK,
    SERIES,
    SHADE,
    Label,
    draw,
    grid,
    percent_axis,
)

Floats = NDArray[np.float64]

_MOST_COUNTS = 10


@dataclass(frozen=True)
class Group:
    """A name and what was observed in it."""

    name: str
    observed: KaplanMeier


@dataclass(frozen=True)
class NamedCurve:
    """A name and a predicted curve."""

    name: str
    curve: Curve


def risk_table_months(last_months: float) -> list[float]:
    """Return whole months, evenly spaced, at which numbers at risk are shown."""
    steps = (1, 2, 3, 6, 12, 24, 36, 60, 120)
    step = next((s for s in steps if last_months // s < _MOST_COUNTS), 240)
    return [float(month) for month in range(0, int(last_months) + 1, step)]


def kaplan_meier_plot(label: Label, groups: Sequence[Group], last_months: float) -> str:
    """Draw observed survival with its 95 % band and the numbers at risk below.

    Times beyond `last_months`, where the model predicts nothing, are shaded.
    """
    end = max(float(group.observed.months[-1]) for group in groups)

    def paint(figure: Figure) -> None:
        curves, table = figure.subplots(
            2, 1, sharex=True, height_ratios=[1, 0.07 + 0.065 * len(groups)]
        )
        for index, group in enumerate(groups):
            _observed(curves, group, index)
        _mark_end(curves, last_months, end)
        percent_axis(curves, "y", "Survival")
        curves.set_xlim(0, end)
        curves.set_xticks(risk_table_months(end))
        curves.tick_params(labelbottom=True)
        curves.set_xlabel("Months after HSCT2")
        grid(curves)
        if len(groups) > 1:
            curves.legend(loc="upper right")
        _numbers_at_risk(table, groups, end)

    return draw(label, FULL_WIDTH, 3.9 + 0.22 * len(groups), paint)


def _observed(axes: Axes, group: Group, index: int) -> None:
    observed, colour = group.observed, SERIES[index % len(SERIES)]
    at = [observed.at(float(month), 0.95) for month in observed.months]
    limits = [(a.lower, a.upper) if a else (None, None) for a in at]
    low, high = (np.array(side, dtype=np.float64) for side in zip(*limits, strict=True))
    months = np.append(0.0, observed.months)
    survival = np.append(1.0, observed.survival)
    axes.fill_between(
        observed.months, low, high, step="post", color=colour, alpha=0.15, linewidth=0
    )
    axes.step(
        months,
        survival,
        where="post",
        color=colour,
        linestyle=DASHES[index % len(DASHES)],
        label=group.name,
    )
    censored = np.diff(survival) == 0
    axes.plot(
        observed.months[censored],
        observed.survival[censored],
        linestyle="none",
        marker="|",
        color=colour,
        markersize=5,
        markeredgewidth=0.9,
    )


def _mark_end(axes: Axes, last_months: float, end: float) -> None:
    if end <= last_months:
        return
    axes.axvspan(last_months, end, color=SHADE, linewidth=0, zorder=0)
    axes.text(end, 0.015, "fewer than 5 at risk", color=FAINT, fontsize=8, ha="right")


def _numbers_at_risk(axes: Axes, groups: Sequence[Group], end: float) -> None:
    months = risk_table_months(end)
    axes.set_ylim(len(groups) - 0.4, -0.9)
    axes.spines[:].set_visible(False)
    axes.tick_params(bottom=False, labelbottom=False)
    axes.set_yticks(range(len(groups)), [group.name for group in groups])
    axes.tick_params(axis="y", length=0, pad=14)
    for index, (tick, group) in enumerate(zip(axes.get_yticklabels(), groups, strict=True)):
        tick.set_color(SERIES[index % len(SERIES)])
        for month in months:
            count = str(group.observed.at_risk_at(month))
            axes.text(month, index, count, ha="center", va="center", fontsize=8.5)
    axes.text(0, -0.85, "Number at risk", ha="left", va="center", fontsize=8.5, color=FAINT)


def predicted_plot(
    label: Label, curves: Sequence[NamedCurve], horizons_months: Sequence[float]
) -> str:
    """Draw predicted survival with its 95 % limits; horizons are marked."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for index, named in enumerate(curves):
            _predicted(axes, named, index)
        end = max(named.curve.months[-1] for named in curves)
        for months in horizons_months:
            if months <= end:
                axes.axvline(months, color=INK, linewidth=0.7, linestyle=(0, (1, 2)))
        percent_axis(axes, "y", "Predicted survival")
        axes.set_xlim(0, end)
        axes.set_xticks(risk_table_months(end))
        axes.set_xlabel("Months after HSCT2")
        grid(axes)
        axes.legend(loc="upper right")

    return draw(label, FULL_WIDTH, 2.9, paint)


def _predicted(axes: Axes, named: NamedCurve, index: int) -> None:
    colour, curve = SERIES[index % len(SERIES)], named.curve
    low = np.array(curve.lower, dtype=np.float64)
    high = np.array(curve.upper, dtype=np.float64)
    axes.fill_between(curve.months, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
    axes.step(
        curve.months,
        curve.probability,
        where="post",
        color=colour,
        linestyle=DASHES[index % len(DASHES)],
        label=named.name,
    )
