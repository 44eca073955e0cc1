"""The resources of one patient's chart, from a Bundle, Parameters, prefetch or one resource."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.errors import Hsct2Error
from service.chart.elements import Json, Moment, moment_of, object_of, objects, text_of
from service.chart.issues import issue
from service.chart.reading import Issue
from service.chart.references import Subject, first_other, is_of_another_kind, subject_of, written

_DEEPEST = 8
_ISSUES_OF_A_CODE = 10
_CONTAINERS = ("Bundle", "Parameters")
_NOT_CLINICAL = ("OperationOutcome",)


class ChartError(Hsct2Error):
    """What was sent cannot be read as the chart of one patient."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__("; ".join(found.text for found in issues))
        self.issues = tuple(issues)


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource of a chart.

    Attributes
    ----------
    type : its resourceType
    resource : its JSON, not checked further
    expression : FHIRPath of where it was
    full_url : of the Bundle's entry
    contained : whether it stands within another resource, so that its id is of no use
    """

    type: str
    resource: Json = field(repr=False)
    expression: str
    full_url: str | None = None
    contained: bool = False

    @property
    def reference(self) -> str | None:
        """Its absolute URL, else ``Type/id``, else None."""
        if self.contained:
            return None
        return written(self.type, text_of(self.resource.get("id")), self.full_url)


@dataclass(frozen=True, slots=True)
class Chart:
    """The resources of one patient, each in its newest version, and what was off."""

    entries: Sequence[Entry]
    issues: Sequence[Issue]

    def of_type(self, name: str) -> Iterator[Entry]:
        """Yield the resources of one type."""
        return (entry for entry in self.entries if entry.type == name)


def collect(resource: Mapping[str, Any]) -> Chart:
    """Return the chart in a Bundle, Parameters or single resource of FHIR R4, as parsed JSON.

    What is malformed within it becomes an issue.

    Raises
    ------
    ChartError
        if it is no resource, a batch, or about several patients
    """
    name = object_of(resource).get("resourceType")
    if not isinstance(name, str):
        raise ChartError([issue("not_a_resource")])
    if name == "Bundle" and resource.get("type") == "batch":
        raise ChartError([issue("batch_bundle", expression="Bundle.type")])
    return _chart(*_split(_resources(resource, name, None, ())))


def collect_prefetch(prefetch: Mapping[str, Any]) -> Chart:
    """Return the chart in resources by key, as CDS Hooks sends them; null is nothing found.

    Raises
    ------
    ChartError
        if it is not an object, or about several patients
    """
    if not isinstance(prefetch, dict):
        raise ChartError([issue("malformed", expression="prefetch")])
    found = (
        item
        for key, value in prefetch.items()
        if value is not None
        for item in _resources(value, f"prefetch.{key}", None, ())
    )
    return _chart(*_split(found))


def _resources(
    value: Any, expression: str, full_url: str | None, within: tuple[int, ...]
) -> Iterator[Entry | Issue]:
    """Yield the resources in a value, those of containers in their order."""
    if id(value) in within:
        yield issue("circular", expression=expression)
    elif len(within) >= _DEEPEST:
        yield issue("too_deep", expression=expression)
    elif not isinstance(value, dict):
        yield issue("malformed", expression=expression)
    elif not isinstance(name := value.get("resourceType"), str):
        yield issue("not_a_resource", expression=expression)
    elif name in _CONTAINERS:
        read = _of_bundle if name == "Bundle" else _of_parameters
        yield from read(value, expression, (*within, id(value)))
    elif name not in _NOT_CLINICAL:
        yield Entry(name, value, expression, full_url)


def _of_bundle(bundle: Json, expression: str, within: tuple[int, ...]) -> Iterator[Entry | Issue]:
    for place, entry in _items(bundle, "entry", expression):
        if entry is None:
            yield issue("malformed", expression=place)
        elif object_of(entry.get("search")).get("mode") != "outcome" and "resource" in entry:
            full_url = text_of(entry.get("fullUrl"))
            yield from _resources(entry["resource"], f"{place}.resource", full_url, within)


def _of_parameters(
    parameters: Json, expression: str, within: tuple[int, ...], key: str = "parameter"
) -> Iterator[Entry | Issue]:
    for place, parameter in _items(parameters, key, expression):
        if parameter is None:
            yield issue("malformed", expression=place)
            continue
        if "resource" in parameter:
            yield from _resources(parameter["resource"], f"{place}.resource", None, within)
        if "part" in parameter:
            if id(parameter) in within:
                yield issue("circular", expression=place)
            elif len(within) >= _DEEPEST:
                yield issue("too_deep", expression=place)
            else:
                yield from _of_parameters(parameter, place, (*within, id(parameter)), "part")


def _items(parent: Json, key: str, expression: str) -> Iterator[tuple[str, Json | None]]:
    """Yield the places of a list's items with the items; None for one that is no object."""
    items = parent.get(key)
    if items is None:
        return
    if not isinstance(items, list | tuple):
        yield f"{expression}.{key}", None
        return
    for index, item in enumerate(items):
        yield f"{expression}.{key}[{index}]", item if isinstance(item, dict) else None


def _split(found: Iterable[Entry | Issue]) -> tuple[list[Entry], list[Issue]]:
    entries: list[Entry] = []
    issues: list[Issue] = []
    for item in found:
        if isinstance(item, Entry):
            entries.append(item)
        else:
            issues.append(item)
    return entries, issues


def _chart(entries: Sequence[Entry], issues: Sequence[Issue]) -> Chart:
    kept: list[Entry] = []
    for entry in _newest_versions(entries):
        kept.append(entry)
        if "contained" in entry.resource:
            kept += _contained(entry)
    about_patient, remarks = _about_patients(kept)
    expression = _first_other_patient(about_patient) or first_other(_subjects(about_patient))
    if expression:
        raise ChartError([issue("several_subjects", expression=expression)])
    return Chart(tuple(about_patient), _few((*issues, *remarks)))


def _few(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """Return the issues once each, and of each code so many as a person would look at."""
    by_code: dict[str, list[Issue]] = {}
    for found in dict.fromkeys(issues):
        by_code.setdefault(found.code, []).append(found)
    return tuple(found for same in by_code.values() for found in same[:_ISSUES_OF_A_CODE])


def _contained(entry: Entry) -> Iterator[Entry]:
    for index, resource in objects(entry.resource["contained"]):
        name = resource.get("resourceType")
        # Whom a contained Patient is cannot be told, and it would be a second one.
        if isinstance(name, str) and name != "Patient":
            place = f"{entry.expression}.contained[{index}]"
            yield Entry(name, resource, place, contained=True)


def _newest_versions(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield each resource once, in its newest version; those that do not say which is newest."""
    by_identity: dict[object, list[Entry]] = {}
    for entry in entries:
        by_identity.setdefault(_identity(entry), []).append(entry)
    for same in by_identity.values():
        newest = max(map(_version, same)) if len(same) > 1 else None
        yield from (entry for entry in same if newest is None or _version(entry) == newest)


def _identity(entry: Entry) -> object:
    logical_id = None if entry.contained else text_of(entry.resource.get("id"))
    if not logical_id:
        return entry.full_url or id(entry.resource)
    # One id on two servers is two patients, which must not pass for versions of one.
    return entry.type, logical_id, entry.full_url if entry.type == "Patient" else None


def _version(entry: Entry) -> tuple[float, int]:
    meta = object_of(entry.resource.get("meta"))
    updated, number = moment_of(meta.get("lastUpdated")), meta.get("versionId")
    time = updated.instant.timestamp() if updated and updated.instant else float("-inf")
    is_count = isinstance(number, str) and number.isascii() and number.isdigit()
    return time, int(number[:18]) if isinstance(number, str) and is_count else -1


def _about_patients(entries: Iterable[Entry]) -> tuple[list[Entry], list[Issue]]:
    about: list[Entry] = []
    remarks: list[Issue] = []
    others: dict[str | None, bool] = {None: False}
    for entry in entries:
        reference = _reference_to_subject(entry)
        if reference not in others:
            others[reference] = is_of_another_kind(reference or "")
        if others[reference]:
            remarks.append(issue("not_about_a_patient", expression=f"{entry.expression}.subject"))
        else:
            about.append(entry)
    return about, remarks


def _reference_to_subject(entry: Entry) -> str | None:
    named = entry.resource.get("subject") or entry.resource.get("patient")
    return text_of(named.get("reference")) if isinstance(named, dict) else None


def _first_other_patient(entries: Iterable[Entry]) -> str | None:
    """Return the expression of a second Patient, if one of two cannot be told apart by an id."""
    patients = [entry for entry in entries if entry.type == "Patient"]
    if len(patients) > 1 and not all(_subject_of_patient(entry) for entry in patients):
        return patients[1].expression
    return None


def _subject_of_patient(entry: Entry) -> Subject | None:
    by_url = subject_of(entry.full_url, {}) if entry.full_url else None
    logical_id = text_of(entry.resource.get("id"))
    return Subject(by_url.base if by_url else None, logical_id) if logical_id else by_url


def _subjects(entries: Sequence[Entry]) -> Iterator[tuple[Subject, str]]:
    """Yield whom the resources are about, the Patients first."""
    by_url: dict[str, Subject] = {}
    for entry in entries:
        if entry.type == "Patient" and (subject := _subject_of_patient(entry)):
            yield subject, entry.expression
            if entry.full_url:
                by_url[entry.full_url] = subject
    first_places: dict[str, Entry] = {}
    for entry in entries:
        if entry.type != "Patient" and (reference := _reference_to_subject(entry)):
            first_places.setdefault(reference, entry)
    for reference, entry in first_places.items():
        if named := subject_of(reference, by_url):
            yield named, f"{entry.expression}.subject"


def first_moment(resource: Json, *names: str) -> Moment | None:
    """Return the first of the named elements that is a date; ``a.b`` is b of a."""
    for name in names:
        parent, _, child = name.partition(".")
        value = object_of(resource.get(parent)).get(child) if child else resource.get(parent)
        if moment := moment_of(value):
            return moment
    return None
