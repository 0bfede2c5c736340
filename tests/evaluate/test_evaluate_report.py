import json
from dataclasses import replace

import pytest
from case_samples import MIDDLE, case

from midspan.evaluate.answers import Answer
from midspan.evaluate.examples import pick_examples
from midspan.evaluate.metrics import score
from midspan.evaluate.report import build_report, grouped_rows, system_row
from midspan.evaluate.run import Prediction


def prediction(one, text, logprob=-1.0):
    answer = Answer(text, 0, "", "end", 100, 60, 7, 30, 12.5, logprob, 0.4 if text else 0.0, "the prompt")
    return Prediction(one.id, answer, score(one, text))


CASES = [
    case(id="a", project="p", kind="line_start"),
    case(id="b", project="q", kind="line_middle", middle="x" * 10),
    case(id="c", project="r", kind="line_middle", language="text"),
]
TEXTS = [MIDDLE, "x" * 40, ""]
PREDICTIONS = [prediction(one, text) for one, text in zip(CASES, TEXTS, strict=True)]


def test_a_row_holds_every_metric_with_its_interval():
    row = system_row("sft", CASES, PREDICTIONS, 0)
    assert (row["system"], row["cases"], row["projects"]) == ("sft", 3, 3)
    assert row["em"] == pytest.approx(1 / 3, abs=1e-4)
    assert row["empty"] == pytest.approx(1 / 3, abs=1e-4)
    truth = len(MIDDLE.strip())
    assert row["length_ratio"] == pytest.approx((truth + 40) / (2 * truth + 10), abs=1e-4)
    assert row["length_ratio_mean"] == pytest.approx(5 / 3, abs=1e-4)
    assert row["cached_share"] == 0.6
    for name, (low, high) in row["intervals"].items():
        assert low - 1e-4 <= row[name] <= high + 1e-4
    json.dumps(row)


def test_validity_is_left_out_where_nothing_can_be_said():
    assert "valid" not in system_row("sft", CASES[2:], PREDICTIONS[2:], 0)


def test_groups_part_the_cases():
    rows = grouped_rows("sft", CASES, PREDICTIONS, 0, lambda one, _: one.kind)
    assert [(row["group"], row["cases"]) for row in rows] == [("line_middle", 2), ("line_start", 1)]
    assert rows[1]["em"] == 1


def test_the_report_groups_by_language_kind_length_and_context():
    report = build_report(CASES, {"one": PREDICTIONS, "two": PREDICTIONS}, 0)
    assert [row["system"] for row in report["rows"]] == ["one", "two"]
    assert {row["group"] for row in report["by_length"]} == {"0–20", "61–150"}
    assert {row["group"] for row in report["by_context"]} == {"1–256"}
    assert {row["group"] for row in report["by_language"]} == {"python", "text"}
    json.dumps(report)


def test_long_truths_weigh_more_in_what_is_saved():
    row = system_row("sft", CASES[:2], PREDICTIONS[:2], 0)
    whole = PREDICTIONS[0].scores.saved_whole * len(MIDDLE)
    assert row["saved_whole"] == pytest.approx(whole / (len(MIDDLE) + 10), abs=1e-4)


def test_reliability_counts_what_was_shown():
    bins = build_report(CASES, {"one": PREDICTIONS}, 0)["reliability"]["one"]
    assert bins["suggestions"] == 2
    assert bins["bins"] == [{"from": 0.4, "count": 2, "confidence": 0.4, "right": 0.5}]
    assert bins["ece"] == pytest.approx(0.1)
    unsure = [Prediction(one.case_id, replace(one.answer, confidence=None), one.scores) for one in PREDICTIONS]
    assert build_report(CASES, {"one": unsure}, 0)["reliability"]["one"] is None


def test_a_prediction_survives_json():
    for one in PREDICTIONS:
        assert Prediction.from_record(json.loads(json.dumps(one.to_record()))) == one


def test_examples_are_the_most_confident_of_different_projects_and_kinds():
    kinds = ["line_start", "line_start", "line_middle", "token_middle", "block_boundary"]
    cases = [case(id=str(n), project=f"p{n}", kind=kind) for n, kind in enumerate(kinds)]
    logprobs = [-0.1, -0.2, -0.3, -0.4, -0.5]
    predictions = [prediction(one, "    return 1\n", value) for one, value in zip(cases, logprobs, strict=True)]
    assert [example.case_id for example in pick_examples(cases, predictions)] == ["0", "2", "3"]


def test_examples_do_not_know_the_truth():
    right, wrong = case(id="right", project="p"), case(id="wrong", project="q", kind="line_middle")
    picked = pick_examples([right, wrong], [prediction(right, MIDDLE, -2.0), prediction(wrong, "    nonsense()", -1.0)])
    assert [example.case_id for example in picked] == ["wrong", "right"]


def test_examples_never_repeat_a_project_and_skip_the_unreadable():
    cases = [case(id=str(n), project=project) for n, project in enumerate("ppqrs")]
    texts = ["first one()", "second one()", "", "x\n" * 20, "other one()"]
    predictions = [prediction(one, text) for one, text in zip(cases, texts, strict=True)]
    assert [example.case_id for example in pick_examples(cases, predictions)] == ["0", "4"]


def test_an_example_shows_the_text_around_the_caret():
    [example] = pick_examples([CASES[0]], [PREDICTIONS[0]])
    assert CASES[0].prefix.endswith(example.before) and CASES[0].suffix.startswith(example.after)
    assert example.truth == MIDDLE
