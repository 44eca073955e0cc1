"""Predict from what a card prints, and from nothing else: neither model nor training is used.

The arithmetic is written from the card's own recipe. The mean over unknown values is taken
by the trapezoidal rule, which the service does not use.
"""

import json
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Patient = dict[str, float | str | bool | None]
Limits = tuple[float, float, float]


@dataclass(frozen=True)
class Term:
    name: str
    form: str
    ones: tuple[str, str] | None
    shift: float
    mean: float
    sd: float

    def standardise(self, value: float | str | bool) -> float:
        if self.ones is not None:
            one, zero = self.ones
            number = {one: 1.0, zero: 0.0}[
                str(value).lower() if isinstance(value, bool) else str(value)
            ]
        else:
            number = float(value)
        if self.form != "value":
            number = float(np.log(number + self.shift))
        return (number - self.mean) / self.sd


@dataclass(frozen=True)
class CardNumbers:
    terms: list[Term]
    coefficients: Floats
    covariance: Floats
    sigma: Floats
    baseline: Floats
    last_months: float
    z: float

    def survival(self, patient: Patient, months: float) -> Limits:
        assert months <= self.last_months
        step = self.baseline[self.baseline[:, 0] <= months][-1]
        hazard, spread, a = step[1], step[2], step[3:]
        x, unknown, c = self._expect(patient)
        b = self.coefficients[unknown]
        eta = float(self.coefficients @ x)
        q = hazard * x - a
        variance = (spread + q @ self.covariance @ q) / hazard**2
        variance += b @ c @ b + np.trace(self.covariance[np.ix_(unknown, unknown)] @ c)
        reach = self.z * np.sqrt(variance)
        middle = np.log(hazard) + eta
        normal = np.linspace(-9, 9, 6001)
        weight = np.exp(-(normal**2) / 2)
        averaged = np.exp(-np.exp(middle + np.sqrt(b @ c @ b) * normal)) @ weight / weight.sum()
        return (
            float(averaged),
            float(np.exp(-np.exp(middle + reach))),
            float(np.exp(-np.exp(middle - reach))),
        )

    def _expect(self, patient: Patient) -> tuple[Floats, list[int], Floats]:
        x = np.zeros(len(self.terms))
        known, unknown = [], []
        for j, term in enumerate(self.terms):
            value = patient.get(term.name)
            if value is None:
                unknown.append(j)
            else:
                known.append(j)
                x[j] = term.standardise(value)
        regression = self.sigma[np.ix_(unknown, known)] @ np.linalg.inv(
            self.sigma[np.ix_(known, known)]
        )
        x[unknown] = regression @ x[known]
        c = self.sigma[np.ix_(unknown, unknown)] - regression @ self.sigma[np.ix_(known, unknown)]
        factors = np.ones(len(unknown))
        for row, j in enumerate(unknown):
            term = self.terms[j]
            if term.ones is not None:
                p = float(np.clip(term.mean + term.sd * x[j], 0, 1))
                x[j] = (p - term.mean) / term.sd
                factors[row] = np.sqrt(p * (1 - p) / c[row, row]) / term.sd
        return x, unknown, factors[:, None] * c * factors


def section(markdown: str, heading: str) -> str:
    """Return the lines below a heading, up to the next one."""
    start = re.search(rf"^#+ {re.escape(heading)}$", markdown, re.M)
    assert start, f"the card has no heading {heading}"
    rest = markdown[start.end() :]
    end = re.search(r"^#+ ", rest, re.M)
    return rest[: end.start()] if end else rest


def tables(text: str) -> list[list[dict[str, str]]]:
    """Return the tables of a text, each as rows by column heading."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.M):
        lines = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in block.splitlines()
        ]
        found.append([dict(zip(lines[0], line, strict=True)) for line in lines[2:]])
    return found


def read_markdown(markdown: str) -> CardNumbers:
    """Read the numbers from the printed tables."""

    def one(heading: str) -> list[dict[str, str]]:
        return tables(section(markdown, heading))[0]

    def matrix(heading: str) -> Floats:
        return np.array([[float(v) for v in [*row.values()][1:]] for row in one(heading)])

    constants = {row["constant"]: row["value"] for row in one("Constants")}
    terms = one("Terms")
    return CardNumbers(
        terms=[
            Term(
                row["covariate"].strip("`"),
                "value" if row["enters as"].startswith("1 if") else row["enters as"],
                _ones(row["enters as"]),
                float(row["c"]),
                float(row["mean"]),
                float(row["SD"]),
            )
            for row in terms
        ],
        coefficients=np.array([float(row["coefficient per SD"]) for row in terms]),
        covariance=matrix("Covariance of the coefficients per SD (V)"),
        sigma=matrix("Covariance of the standardised covariates (Σ)"),
        baseline=np.array([[float(v) for v in row.values()] for row in one("Baseline")]),
        last_months=float(constants["t*, months"]),
        z=float(constants["z"]),
    )


def _ones(form: str) -> tuple[str, str] | None:
    coded = re.fullmatch(r"1 if (\w+), 0 if (\w+)", form)
    return (coded[1], coded[2]) if coded else None


def read_json(text: str) -> CardNumbers:
    """Read the numbers from the JSON twin."""
    numbers = json.loads(text)["specification"]
    forms = {"identity": "value", "log": "log(value)", "shifted_log": "log(value + c)"}
    return CardNumbers(
        terms=[
            Term(
                t["covariate"],
                forms[t["transform"]],
                None if t["coded_one"] is None else (t["coded_one"], t["coded_zero"]),
                t["shift"],
                t["mean"],
                t["sd"],
            )
            for t in numbers["terms"]
        ],
        coefficients=np.array([t["coefficient"] for t in numbers["terms"]]),
        covariance=np.array(numbers["covariance"]),
        sigma=np.array(numbers["covariate_covariance"]),
        baseline=np.array(
            [
                [s["months"], s["cumulative_hazard"], s["variance"], *s["mean_term"]]
                for s in numbers["baseline"]
            ]
        ),
        last_months=numbers["last_months"],
        z=numbers["normal_quantile"],
    )
