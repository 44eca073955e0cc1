"""Whether hazards are proportional: scaled Schoenfeld residuals over time."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.analysis import Schoenfeld
from training.report.plots.canvas import FAINT, FULL_WIDTH, SERIES, Label, draw, grid

Floats = NDArray[np.float64]

_BANDWIDTH = 0.2
"""Standard deviation of the smoothing weights, as a share of the deaths."""

_COLUMNS = 3
_FEWEST_TO_SMOOTH = 6


def smooth(places: Floats, values: Floats, at: Floats) -> Floats:
    """Return the locally linear, Gaussian-weighted mean of `values` (k,) at `at` (m,).

    Fan & Gijbels 1996, equation 2.4; places run from 0 to 1.
    """
    distance = places[None, :] - at[:, None]
    weight = np.exp(-0.5 * (distance / _BANDWIDTH) ** 2)
    first, second = (weight * distance).sum(axis=1), (weight * distance**2).sum(axis=1)
    local = weight * (second[:, None] - distance * first[:, None])
    smoothed: Floats = (local @ values) / local.sum(axis=1)
    return smoothed


def schoenfeld_plot(label: Label, residuals: Sequence[Schoenfeld], names: Sequence[str]) -> str:
    """Draw each covariate's coefficient over time; deaths are evenly spaced on the axis."""
    columns = min(_COLUMNS, len(residuals))
    rows = -(-len(residuals) // columns)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel in panels[len(residuals) :]:
            panel.set_visible(False)
        for panel, of, name in zip(panels, residuals, names, strict=False):
            _schoenfeld(panel, of, name)
        figure.supxlabel("Months after HSCT2 (deaths evenly spaced)", fontsize=9)
        figure.supylabel("Coefficient over time", fontsize=9)

    return draw(label, FULL_WIDTH if columns > 1 else 4.6, 0.5 + 1.75 * rows, paint)


def _schoenfeld(axes: Axes, of: Schoenfeld, name: str) -> None:
    order = np.argsort(of.months, kind="stable")
    months, residuals = np.array(of.months)[order], np.array(of.residuals)[order]
    places = np.linspace(0, 1, len(months)) if len(months) > 1 else np.array([0.5])
    axes.plot(
        places, residuals, linestyle="none", marker="o", markersize=2.5, color=FAINT, alpha=0.7
    )
    # At the maximum the residuals sum to zero, so their mean here is the coefficient itself.
    axes.axhline(float(residuals.mean()), color=SERIES[1], linewidth=1.2, linestyle=(0, (4, 2)))
    if len(months) >= _FEWEST_TO_SMOOTH:
        at = np.linspace(0, 1, 41)
        axes.plot(at, smooth(places, residuals, at), color=SERIES[0])
    shown = np.unique(np.linspace(0, len(months) - 1, 4).round().astype(int))
    axes.set_xticks(places[shown], [f"{months[place]:.3g}" for place in shown])
    axes.set_title(name, fontsize=7.5)
    axes.tick_params(labelsize=7.5)
    grid(axes)
