"""The results of an evaluation as a directory: the stage `eval` of a run writes one, `midspan eval run` another.

cases.parquet          the cases, with licence and source
predictions.parquet    one row per system and case: answer, scores, measured times
report.json            every figure with its interval, over all and by group
report.html            the same to look at, with the cases
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from midspan.data.cases import Case
from midspan.errors import MidspanError
from midspan.evaluate.cases import CASES_FILE, read_cases, write_cases
from midspan.evaluate.report import build_report
from midspan.evaluate.report_page import write_page
from midspan.evaluate.run import Prediction

PREDICTIONS_FILE, REPORT_FILE, PAGE_FILE = "predictions.parquet", "report.json", "report.html"
CHOOSES = "#"
"""Between a directory and the system that is meant of it."""


@dataclass(frozen=True)
class Results:
    """Systems on the same cases, in the order in which they are shown."""

    cases: list[Case]
    systems: dict[str, list[Prediction]]


def write_results(
    folder: Path, cases: Sequence[Case], systems: Mapping[str, Sequence[Prediction]], seed: int, about: dict[str, Any]
) -> dict[str, Any]:
    """Write into a directory that is there, and return the report; `about` says how the results came about."""
    report = about | build_report(cases, systems, seed)
    write_cases(cases, folder / CASES_FILE)
    rows = [
        {"system": name, **prediction.to_record()}
        for name, predictions in systems.items()
        for prediction in predictions
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / PREDICTIONS_FILE, compression="zstd")
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    title = " ".join(["Results", *([str(about["cases"])] if "cases" in about else [])])
    write_page(folder / PAGE_FILE, title, cases, systems, seed, report=report)
    return report


def publish_results(
    folder: Path, cases: Sequence[Case], systems: Mapping[str, Sequence[Prediction]], seed: int, about: dict[str, Any]
) -> dict[str, Any]:
    """`write_results` into a directory of its own, which appears whole and takes the place of older results.

    Raises MidspanError if there is something else in that place.
    """
    if folder.exists() and not (folder / PREDICTIONS_FILE).is_file():
        raise MidspanError(f"{folder} is there and holds no results", "name another directory with --out")
    aside = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        report = write_results(aside, cases, systems, seed, about)
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    except OSError as error:
        raise MidspanError(f"cannot write the results {folder}: {error.strerror}", "name another --out") from None
    return report


def read_results(named: Sequence[str], runs: Path) -> Results:
    """The systems of one or more results on the cases that all of them have.

    Each is `PLACE` or `PLACE#SYSTEM`, the place a directory of results or a run. Systems of the same name are told
    apart by their places. Raises MidspanError if a place holds no results, a system is not there, or no case is shared.
    """
    found: list[tuple[str, str, dict[str, Prediction]]] = []
    cases: dict[str, Case] | None = None
    for each in named:
        place, _, wanted = each.partition(CHOOSES)
        folder = _folder(place, runs)
        own = {case.id: case for case in read_cases(folder / CASES_FILE)}
        cases = own if cases is None else {id: case for id, case in cases.items() if own.get(id) == case}
        systems = _systems(folder)
        if wanted and wanted not in systems:
            raise MidspanError(f"{place} holds no system {wanted}", f"it holds {', '.join(systems)}")
        found += [(place, name, each) for name, each in systems.items() if wanted in ("", name)]
    if not cases:
        raise MidspanError(f"{' and '.join(named)} have no case in common", "evaluate them on the same --cases")
    names = [name for _, name, _ in found]
    return Results(
        list(cases.values()),
        {
            name if names.count(name) == 1 else f"{place}{CHOOSES}{name}": [predictions[id] for id in cases]
            for place, name, predictions in found
        },
    )


def _folder(place: str, runs: Path) -> Path:
    for folder in (Path(place), runs / place / "eval", Path(place) / "eval"):
        if (folder / PREDICTIONS_FILE).is_file():
            return folder
    raise MidspanError(f"{place} holds no results", "make some with `midspan eval run`, or name a run with an `eval`")


def _systems(folder: Path) -> dict[str, dict[str, Prediction]]:
    """The predictions by system and case."""
    systems: dict[str, dict[str, Prediction]] = {}
    try:
        for row in pq.read_table(folder / PREDICTIONS_FILE).to_pylist():
            systems.setdefault(row.pop("system"), {})[row["case_id"]] = Prediction.from_record(row)
    except (KeyError, pa.ArrowInvalid):
        raise MidspanError(f"{folder} holds results of another version of midspan", "evaluate again") from None
    return systems
