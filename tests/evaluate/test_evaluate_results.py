import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from case_samples import MIDDLE, case, corpus

from midspan.data.cases import draw_cases
from midspan.errors import MidspanError
from midspan.evaluate.answers import Answer
from midspan.evaluate.benchmark.format import write_benchmark
from midspan.evaluate.case_sets import case_set
from midspan.evaluate.results import publish_results, read_results
from midspan.evaluate.run import scored
from midspan.recipe.schema import FimConfig

CASES = [case(id=str(number), project=f"p{number % 3}") for number in range(6)]


def predictions(texts):
    return scored(CASES, [Answer(text, confidence=0.5, prompt=f"of {text}") for text in texts])


RIGHT, WRONG = predictions([MIDDLE] * 6), predictions(["x"] * 6)


def test_results_come_back_as_they_were(tmp_path):
    folder = tmp_path / "results"
    report = publish_results(folder, CASES, {"a": RIGHT, "b": WRONG}, 0, {"cases": "shapes"})
    results = read_results([str(folder)], tmp_path)
    assert (results.cases, results.systems) == (CASES, {"a": RIGHT, "b": WRONG})
    assert json.loads((folder / "report.json").read_text()) == report
    publish_results(folder, CASES, {"a": WRONG}, 0, {})
    assert read_results([str(folder)], tmp_path).systems == {"a": WRONG}
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_systems_of_several_places_stand_on_the_cases_of_all(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    publish_results(one, CASES, {"a": RIGHT, "b": WRONG}, 0, {})
    publish_results(other, CASES[:4], {"a": WRONG[:4]}, 0, {})
    results = read_results([f"{one}#a", str(other)], tmp_path)
    assert results.cases == CASES[:4]
    assert results.systems == {f"{one}#a": RIGHT[:4], f"{other}#a": WRONG[:4]}
    with pytest.raises(MidspanError, match="no system c"):
        read_results([f"{one}#c"], tmp_path)


def test_other_cases_cannot_be_compared(tmp_path):
    publish_results(tmp_path / "one", CASES, {"a": RIGHT}, 0, {})
    moved = [replace(each, prefix="moved") for each in CASES]
    publish_results(tmp_path / "other", moved, {"a": RIGHT}, 0, {})
    with pytest.raises(MidspanError, match="no case in common"):
        read_results([str(tmp_path / "one"), str(tmp_path / "other")], tmp_path)


def test_what_is_no_result_is_neither_read_nor_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(MidspanError, match="holds no results"):
        read_results([str(tmp_path / "mine")], tmp_path)
    with pytest.raises(MidspanError, match="holds no results"):
        publish_results(tmp_path / "mine", CASES, {"a": RIGHT}, 0, {})


def test_case_sets_are_benchmarks_or_runs(tmp_path):
    projects = corpus()
    documents = [document for _, files in projects for document in files]
    cases = draw_cases(lambda: projects, 10, FimConfig(), 0)
    write_benchmark(
        tmp_path / "bench", cases, documents, name="shapes", seed=0, recipe={}, removed_files={}, removed_cases={}
    )
    found = case_set(str(tmp_path / "bench"), tmp_path)
    assert (found.name, len(found.cases)) == ("shapes", 10)
    assert [case.id for case in found.limited(5).cases] == [case.id for case in found.cases[::2]]
    (tmp_path / "runs" / "mine" / "data").mkdir(parents=True)
    table = pa.Table.from_pylist([vars(document) for document in documents])
    pq.write_table(table, tmp_path / "runs" / "mine" / "data" / "corpus.parquet")
    drawn = case_set("mine", tmp_path / "runs")
    assert drawn.name == "mine" and {name for name, _ in drawn.projects()} == {name for name, _ in projects}
    with pytest.raises(MidspanError, match="neither a run"):
        case_set("nowhere", tmp_path)
    with pytest.raises(MidspanError, match="neither a benchmark"):
        case_set(str(tmp_path / "runs"), tmp_path)
