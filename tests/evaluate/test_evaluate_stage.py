import json

import pyarrow.parquet as pq
import pytest
from tiny_run import RECIPE, stage_context, tiny_run

from midspan.evaluate.answers import Answer
from midspan.evaluate.cases import read_cases
from midspan.evaluate.stage import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("run"), steps=150)


@pytest.fixture(scope="module")
def finished(inputs, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    return work, run(stage_context(inputs, work))


def name_of(row):
    return row["system"], row["case_id"]


def table(work):
    return pq.read_table(work / "predictions.parquet").to_pylist()


def test_cases_come_from_the_test_split_alone(finished):
    cases = read_cases(finished[0] / "cases.parquet")
    assert len(cases) == RECIPE.eval.cases
    assert all(case.project.startswith("test") for case in cases)
    assert all(case.licence == "MIT" and case.source for case in cases)


def test_the_report_holds_a_row_per_stage_and_group(finished):
    work, metrics = finished
    report = json.loads((work / "report.json").read_text())
    assert [row["system"] for row in report["rows"]] == ["base", "sft"]
    for row in report["rows"]:
        assert row["cases"] == RECIPE.eval.cases and row["projects"] == 3
        assert metrics[f"{row['system']}_em"] == row["em"]
        assert metrics[f"{row['system']}_chrf"] == row["chrf"]
        assert metrics[f"{row['system']}_length_ratio"] == row["length_ratio"]
        assert set(row["intervals"]) >= {"em", "chrf", "length_ratio", "edit_similarity"}
    assert {row["group"] for row in report["by_language"]} == {"python"}
    assert sum(row["cases"] for row in report["by_kind"]) == 2 * RECIPE.eval.cases
    assert "version:" in report["chrf_signature"]
    assert all(example["project"].startswith("test") for example in report["examples"])


def test_a_trained_model_is_measured_as_better(finished):
    base, sft = json.loads((finished[0] / "report.json").read_text())["rows"]
    assert sft["chrf"] > base["chrf"] + 10


def test_the_end_of_the_truth_is_judged_by_the_network(finished):
    base, sft = json.loads((finished[0] / "report.json").read_text())["rows"]
    assert 0 <= base["end_probability"] < sft["end_probability"] <= 1
    for row in table(finished[0]):
        assert 0 <= row["end_probability"] <= 1


def test_a_killed_run_keeps_what_it_has_and_does_the_rest(inputs, finished, tmp_path):
    work, _ = finished
    context = stage_context(inputs, tmp_path / "again")
    kept = {"base": [], "sft": []}
    for stage in ("base", "sft"):
        journal = (work / "resume" / f"{stage}.jsonl").read_bytes()
        (context.resume / f"{stage}.jsonl").write_bytes(journal[: len(journal) // 2])
        for line in journal[: len(journal) // 2].splitlines()[:-1]:
            record = json.loads(line)
            kept[stage].append(record["value"])
    run(context)
    rows = table(context.work)
    assert sorted(map(name_of, rows)) == sorted(map(name_of, table(work)))
    for stage, answers in kept.items():
        again = [{name: row[name] for name in Answer.__dataclass_fields__} for row in rows if row["system"] == stage]
        assert answers and all(answer in again for answer in answers)  # measured times too: not asked again
    assert (context.work / "cases.parquet").read_bytes() == (work / "cases.parquet").read_bytes()
