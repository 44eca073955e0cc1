"""The bundle: small, and with nothing in it that the browser may not fetch or run."""

import gzip
import re
from pathlib import Path

import httpx
import pytest

from model.patient import COVARIATES
from service.chart import codes
from service.chart.units import factor_of
from tests.server import ROOT, Server

MOST_BYTES = 200 * 1000


def test_everything_together_is_under_200_kb_gzipped(bundle: Path) -> None:
    files = [f for f in bundle.iterdir() if f.suffix in (".html", ".js", ".css", ".svg")]
    assert {f.suffix for f in files} >= {".html", ".js", ".css"}
    assert sum(len(gzip.compress(f.read_bytes(), 9)) for f in files) < MOST_BYTES
    for file in files:
        packed = file.with_name(f"{file.name}.gz")
        assert gzip.decompress(packed.read_bytes()) == file.read_bytes()


def test_the_policy_admits_no_inline_script_and_no_other_origin(
    server: Server, api: httpx.Client
) -> None:
    page = api.get("/")
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in page.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    for directive, sources in policy.items():
        assert set(sources.split()) <= {"'self'", "'none'"}, directive
    assert re.findall(r"<script(?![^>]*\ssrc=)", page.text) == []
    assert re.findall(r"\son\w+=|\sstyle=", page.text) == []


def test_the_sources_hold_no_range_of_any_field() -> None:
    """Ranges come from the description; a copy in the page would grow old."""
    sources = "\n".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "web" / "src").glob("*.ts")
    )
    near = re.compile(rf"^.*\b(?:{'|'.join(COVARIATES)})\b.*$", re.MULTILINE)
    lines = near.findall(sources)
    assert lines
    limits = {
        f"{limit:g}" for c in COVARIATES.values() if c.accepted for limit in c.accepted if limit > 1
    }
    copied = [
        line for line in lines if set(re.findall(r"(?<![\w.])\d[\d_]*\.?\d*(?!\w)", line)) & limits
    ]
    assert copied == []


@pytest.mark.parametrize("function", [r"Math\.exp\(", r"coefficient", r"baseline_hazard"])
def test_the_sources_hold_no_formula_of_risk(function: str) -> None:
    for file in (ROOT / "web" / "src").glob("*.ts"):
        assert not re.search(function, file.read_text(encoding="utf-8")), file.name


IN_UCUM = {"10³/µL": "10*3/uL", "/µL": "/uL", "µkat/L": "ukat/L", "µg/L": "ug/L"}


def test_units_are_converted_as_those_of_a_chart() -> None:
    source = (ROOT / "web" / "src" / "units.ts").read_text(encoding="utf-8")
    measures = {measure.name: measure for measure in codes.MEASURES}
    found = 0
    for field, units in re.findall(r"^  (\w+): \[(.*?)\],", source, re.DOTALL | re.MULTILINE):
        for unit, factor in re.findall(r'unit: "([^"]+)", factor: ([\d.]+)', units):
            quantity = {"system": codes.UCUM, "code": IN_UCUM.get(unit, unit)}
            of_chart = factor_of(quantity, measures[field])
            assert of_chart is not None
            assert of_chart[0] == pytest.approx(float(factor), rel=1e-9)
            found += 1
    assert found == source.count("{ unit: ")
