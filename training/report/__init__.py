"""`report.html`: what a clinician and a statistician read of a fitted model."""

from training.report.document import render_report

__all__ = ["render_report"]
