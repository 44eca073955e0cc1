"""What the coefficients are: forest plot, penalty path and the shape of the ECOG effect."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model.analysis import EcogForm, PenaltyPath
from training.report.plots.canvas import (
    DASHES,
    FAINT,
    FULL_WIDTH,
    GRID,
    INK,
    SERIES,
    Label,
    draw,
    grid,
    ratio_axis,
    strength_axis,
)

_NARROWEST, _WIDEST = 0.2, 5.0
_NARROW_LIMIT, _WIDE_LIMIT = 0.05, 20.0


@dataclass(frozen=True)
class Ratio:
    """A hazard ratio with its 95 % limits."""

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True)
class ForestRow:
    """One covariate in the served model and, where known, without a penalty."""

    name: str
    served: Ratio
    unpenalised: Ratio | None


def forest_plot(label: Label, rows: Sequence[ForestRow]) -> str:
    """Draw hazard ratios with 95 % limits, the served above the unpenalised."""
    compared = any(row.unpenalised for row in rows)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        low, high = _reach(rows)
        for place, row in enumerate(rows):
            if place % 2:
                axes.axhspan(place - 0.5, place + 0.5, color=GRID, alpha=0.35, linewidth=0)
            _ratio(axes, row.served, place - (0.17 if compared else 0), 0, "served")
            if row.unpenalised:
                _ratio(axes, row.unpenalised, place + 0.2, 1, "no penalty")
        axes.axvline(1, color=INK, linewidth=0.9)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        ratio_axis(axes, "x", low, high)
        axes.set_xlabel("Hazard ratio (above 1: worse survival)")
        grid(axes, "x")
        handles, names = axes.get_legend_handles_labels()
        first = {name: handle for handle, name in zip(handles, names, strict=True)}
        figure.legend(first.values(), first.keys(), loc="outside upper right", ncols=2)

    return draw(label, FULL_WIDTH, 1.1 + 0.36 * len(rows), paint)


def _reach(rows: Sequence[ForestRow]) -> tuple[float, float]:
    ratios = [ratio for row in rows for ratio in (row.served, row.unpenalised) if ratio]
    low = min(_NARROWEST, *(0.9 * ratio.lower for ratio in ratios), 1.0)
    high = max(_WIDEST, *(1.1 * ratio.upper for ratio in ratios), 1.0)
    return max(low, _NARROW_LIMIT), min(high, _WIDE_LIMIT)


def _ratio(axes: Axes, ratio: Ratio, place: float, series: int, name: str) -> None:
    # A ratio may be next to 0 or without end: its line then leaves the axis.
    outside = _NARROW_LIMIT / 2, _WIDE_LIMIT * 2
    estimate, lower, upper = np.clip([ratio.estimate, ratio.lower, ratio.upper], *outside).tolist()
    axes.errorbar(
        estimate,
        place,
        xerr=[[estimate - lower], [upper - estimate]],
        fmt="so"[series],
        markerfacecolor=SERIES[series] if series == 0 else "white",
        color=SERIES[series],
        markersize=4.5,
        linewidth=1.4,
        linestyle="none",
        label=name,
    )


def penalty_plot(label: Label, path: PenaltyPath, names: Sequence[str]) -> str:
    """Draw cross-validated likelihood and coefficients against the strength; mark the chosen."""

    def paint(figure: Figure) -> None:
        scores, coefficients = figure.subplots(2, 1, sharex=True, height_ratios=[2, 3])
        scores.plot(path.strengths, path.scores, marker="o", markersize=3, color=SERIES[0])
        scores.set_ylabel("Cross-validated\nlog-likelihood")
        for index, name in enumerate(names):
            main = path.covariates[index] == "ecog"
            coefficients.plot(
                path.strengths,
                [at[index] for at in path.coefficients],
                color=INK if main else SERIES[index % len(SERIES)],
                linestyle="-" if main else DASHES[(index // len(SERIES)) % len(DASHES)],
                linewidth=2.4 if main else 1.2,
                label=name,
            )
        coefficients.axhline(0, color=FAINT, linewidth=0.8)
        coefficients.set_ylabel("Log hazard ratio per SD")
        coefficients.set_xlabel("Strength of the penalty, λ (stronger to the right)")
        for axes in (scores, coefficients):
            strength_axis(axes)
            axes.axvline(path.chosen, color=SERIES[1], linewidth=1.2, linestyle=(0, (4, 2)))
            grid(axes)
        scores.set_title(f"dashed: the chosen λ = {path.chosen:.3g}", color=SERIES[1], fontsize=9)
        figure.legend(loc="outside right upper", fontsize=7.5)

    return draw(label, FULL_WIDTH, 4.6, paint)


def ecog_shape_plot(label: Label, forms: Sequence[EcogForm]) -> str:
    """Draw the hazard ratio of each ECOG grade by the form of its effect."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for index, form in enumerate(forms):
            axes.plot(
                range(len(form.hazard_ratios)),
                form.hazard_ratios,
                marker="osD^v"[index % 5],
                markersize=5,
                color=SERIES[index % len(SERIES)],
                linestyle=DASHES[index % len(DASHES)],
                label=form.name,
            )
        axes.axhline(1, color=FAINT, linewidth=0.8)
        ratios = [ratio for form in forms for ratio in form.hazard_ratios if ratio > 0]
        ratio_axis(axes, "y", max(0.9 * min(1.0, *ratios), _NARROW_LIMIT), 1.1 * max(2.0, *ratios))
        axes.set_xticks(range(5))
        axes.set_xlabel("ECOG performance status")
        axes.set_ylabel("Hazard ratio")
        grid(axes)
        axes.legend(loc="upper left")

    return draw(label, 5.2, 3.0, paint)
