"""The report of a fitted model: one self-contained HTML file."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from model.analysis import Analysis
from model.manifest import Manifest
from model.prediction import PrognosticModel
from training.coverage.record import CoverageRecord
from training.report.account import (
    findings_section,
    limits_section,
    missing_section,
    provenance_section,
)
from training.report.assumptions import assumptions_section
from training.report.blocks import Section
from training.report.coefficients import model_section
from training.report.coverage import coverage_section
from training.report.observed import observed_section
from training.report.performance import validation_section
from training.report.study import figures_section, route_section, table_one_section
from training.report.summary import summary_section

_TEMPLATES = Path(__file__).parent / "templates"


def render_report(
    manifest: Manifest,
    model: PrognosticModel,
    analysis: Analysis,
    coverage: CoverageRecord | None = None,
) -> str:
    """Return the report of a model as HTML.

    The file refers to nothing outside itself, and its own content policy forbids it to.
    Equal arguments give equal text.

    Parameters
    ----------
    manifest, model : what is reported
    analysis : a part that is None is said to be absent
    coverage : results of the coverage simulation; None leaves that section out
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The style sheet is ours; the one value put into it is written by `_css_string`.
    style = Markup(  # noqa: S704
        environment.get_template("report.css.j2").render(
            footer=Markup(_css_string(_footer(manifest)))  # noqa: S704
        )
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        manifest=manifest,
        sections=[*_sections(manifest, model, analysis, coverage)],
        style=style,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none';"
        " form-action 'none'",
    )


def _sections(
    manifest: Manifest,
    model: PrognosticModel,
    analysis: Analysis,
    coverage: CoverageRecord | None,
) -> Iterator[Section]:
    yield summary_section(manifest, model)
    yield figures_section(manifest, analysis.study)
    yield route_section(analysis.study)
    yield table_one_section(manifest, analysis.study)
    yield observed_section(manifest, model, analysis.study)
    yield model_section(manifest, model, analysis)
    yield assumptions_section(manifest, analysis.assumptions)
    yield validation_section(manifest, analysis.validation)
    yield missing_section(manifest, analysis.imputation)
    if coverage is not None:
        yield coverage_section(coverage)
    yield findings_section(manifest)
    yield limits_section(manifest, model)
    yield provenance_section(manifest)


def _footer(manifest: Manifest) -> str:
    """Return what stands on every printed page."""
    return " ".join(filter(None, [f"{manifest.id} {manifest.version}.", manifest.notice]))


def _css_string(text: str) -> str:
    """Write text as a CSS string; all but the plainest characters as escapes."""
    plain = "".join(
        c if c.isascii() and (c.isalnum() or c in " .,:-") else f"\\{ord(c):x} " for c in text
    )
    return f'"{plain}"'
