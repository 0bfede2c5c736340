import json
import re

import pyarrow.parquet as pq
import pytest
from tiny_run import RECIPE, stage_context, tiny_run

from midspan.errors import MidspanError
from midspan.prefer.judges.human import Labels, text_name
from midspan.prefer.page import LIMIT
from midspan.prefer.pairs import MIN_CHOSEN_SCORE
from midspan.prefer.stage import run
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.progress import Progress
from midspan.recipe.schema import PreferConfig
from midspan.recipe.stage import StageContext

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("run"), steps=150)


@pytest.fixture(scope="module")
def finished(inputs, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    return work, run(stage_context(inputs, work))


def test_the_metrics_describe_the_table(finished):
    work, metrics = finished
    rows = pq.read_table(work / "pairs.parquet").to_pylist()
    assert metrics["pairs"] == len(rows) > 0
    assert metrics["cases"] == RECIPE.prefer.cases
    assert metrics["samples"] >= metrics["cases"]
    mean = sum(len(row["chosen_text"].strip()) for row in rows) / len(rows)
    assert metrics["chosen_length_mean"] == pytest.approx(mean, abs=0.01)


def test_every_pair_obeys_the_rules(inputs, finished):
    tokenizer = Tokenizer.load(inputs["tokenizer"])
    end = tokenizer.special(detect_format(tokenizer).end)
    for row in pq.read_table(finished[0] / "pairs.parquet").to_pylist():
        assert row["chosen_score"] > row["rejected_score"] + RECIPE.prefer.min_margin
        assert row["chosen_score"] >= MIN_CHOSEN_SCORE
        assert row["chosen_ids"][-1] == end
        assert tokenizer.decode(row["chosen_ids"][:-1]).endswith(row["chosen_text"])
        assert len(row["prompt_ids"]) <= RECIPE.prompt.max_tokens
        assert row["project"] == json.loads(row["lineage"])["project"]
        assert row["project"].startswith("train")
        assert row["judge"] == "reference"
        assert row["rejected_source"] == "sampled"
        assert row["rejected_temperature"] in RECIPE.prefer.temperatures


def test_the_page_shows_pairs_of_the_table(finished):
    text = (finished[0] / "pairs.html").read_text()
    rows = pq.read_table(finished[0] / "pairs.parquet").to_pylist()
    assert text.count("<article ") == min(LIMIT, len(rows))


def test_it_says_how_fast_it_samples(inputs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("midspan.recipe.progress.LOG_SECONDS", 0)
    few = RECIPE.model_copy(update={"prefer": RECIPE.prefer.model_copy(update={"cases": 6})})
    context = stage_context(inputs, tmp_path / "work", few)
    run(StageContext(few, context.inputs, context.work, Progress()))
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sample completions: 6/6")]
    assert re.search(r"\d samples/s, [\d,]+ tokens/s$", said[-1])


def test_a_killed_run_keeps_what_it_has_does_the_rest_and_gives_the_same_bytes(inputs, finished, tmp_path):
    context = stage_context(inputs, tmp_path / "again")
    journal = (finished[0] / "resume" / "samples.jsonl").read_bytes()
    half = len(journal) // 2
    (context.resume / "samples.jsonl").write_bytes(journal[:half])
    run(context)
    assert (context.resume / "samples.jsonl").read_bytes() == journal
    for name in ("pairs.parquet", "pairs.html"):
        assert (context.work / name).read_bytes() == (finished[0] / name).read_bytes()


def test_a_person_has_the_last_word(inputs, finished, tmp_path):
    end = Tokenizer.load(inputs["tokenizer"]).special("<|endoftext|>")
    first = next(  # a pair that may stand the other way round: both sampled, whole and without fault
        pair
        for pair in pq.read_table(finished[0] / "pairs.parquet").to_pylist()
        if pair["chosen_source"] == "sampled" and not pair["rejected_failed"] and pair["rejected_ids"][-1] == end
    )
    labels = tmp_path / "labels.jsonl"
    better = text_name(first["rejected_text"])
    Labels(labels).add(first["case_id"], (first["chosen_text"], first["rejected_text"]), better)
    metrics = run(stage_context(inputs, tmp_path / "work", judged_by("human", labels)))
    pairs = pq.read_table(tmp_path / "work" / "pairs.parquet").to_pylist()
    assert metrics["pairs"] == len(pairs)
    assert {(pair["judge"], pair["case_id"]) for pair in pairs} == {("human", first["case_id"])}
    sides = {(pair["chosen_text"], pair["rejected_text"]) for pair in pairs}
    assert (first["rejected_text"], first["chosen_text"]) in sides
    assert (first["chosen_text"], first["rejected_text"]) not in sides


def test_feedback_brings_its_own_cases(inputs, tmp_path):
    events = [
        {"event": "accepted", "text": "return total\n"},
        {"event": "rejected", "text": "raise NotImplementedError\n"},
        {"event": "rejected", "text": "return totals, totals, totals\n"},
        {"event": "rejected", "text": "secret code\n", "keep_code": False},
    ]
    place = {"keep_code": True, "time": "2026-01-01T10:00:00Z", "language": "python", "path": "a.py"}
    code = {"prefix": "def add(total):\n    ", "suffix": "\n"}
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(place | code | event) + "\n" for event in events))
    metrics = run(stage_context(inputs, tmp_path / "work", judged_by("feedback", file)))
    pairs = pq.read_table(tmp_path / "work" / "pairs.parquet").to_pylist()
    assert metrics["feedback_without_consent"] == 1
    assert {pair["chosen_text"] for pair in pairs} == {"return total\n"}
    assert {pair["rejected_text"] for pair in pairs} == {event["text"] for event in events[1:3]}
    assert all(pair["judge"] == "feedback" for pair in pairs)


def judged_by(judge, labels):
    settings = RECIPE.prefer.model_dump() | {"judge": judge, "labels": str(labels)}
    return RECIPE.model_copy(update={"prefer": PreferConfig.model_validate(settings)})


def test_a_model_that_knows_nothing_gives_a_clear_error(inputs, tmp_path):
    untrained = {**inputs, "sft": inputs["pretrain"]}
    few = RECIPE.model_copy(update={"prefer": RECIPE.prefer.model_copy(update={"cases": 4})})
    with pytest.raises(MidspanError, match="gave no preference pair"):
        run(stage_context(untrained, tmp_path / "work", few))
