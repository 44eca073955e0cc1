"""The report's figures, each a function from numbers to an SVG element."""

from training.report.plots.assumptions import schoenfeld_plot
from training.report.plots.canvas import Label
from training.report.plots.coefficients import (
    ForestRow,
    Ratio,
    ecog_shape_plot,
    forest_plot,
    penalty_plot,
)
from training.report.plots.performance import (
    CoverageDot,
    calibration_plot,
    coverage_plot,
    decision_plot,
)
from training.report.plots.survival import (
    Group,
    NamedCurve,
    kaplan_meier_plot,
    predicted_plot,
    risk_table_months,
)

__all__ = [
    "CoverageDot",
    "ForestRow",
    "Group",
    "Label",
    "NamedCurve",
    "Ratio",
    "calibration_plot",
    "coverage_plot",
    "decision_plot",
    "ecog_shape_plot",
    "forest_plot",
    "kaplan_meier_plot",
    "penalty_plot",
    "predicted_plot",
    "risk_table_months",
    "schoenfeld_plot",
]
