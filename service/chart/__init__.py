"""A chart, as FHIR R4 JSON, read into the patient that the model knows."""

from service.chart.collect import Chart, ChartError, Entry, collect, collect_prefetch
from service.chart.mapping import read_chart
from service.chart.reading import Issue, Reading, Severity, Source, Verdict

__all__ = [
    "Chart",
    "ChartError",
    "Entry",
    "Issue",
    "Reading",
    "Severity",
    "Source",
    "Verdict",
    "collect",
    "collect_prefetch",
    "read_chart",
]
