"""`midspan review` on a run made by hand: on a pipe, on a terminal, on the page."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from case_samples import candidate, corpus
from nano_run import midspan

from midspan.cli.main import run
from midspan.cli.review_terminal import visible
from midspan.data.cases import draw_cases
from midspan.model.tokenizer import train_tokenizer
from midspan.prefer.judges.human import Labels, text_name
from midspan.prefer.judges.review import load_items
from midspan.prefer.pairs import Pair
from midspan.prefer.sampling import Sampled
from midspan.prefer.table import pair_row, write_pairs
from midspan.prompt.build import make_prompt
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.manifest import Manifest, hash_outputs, write_manifest
from midspan.recipe.schema import FimConfig, PromptConfig

CASES = 8
SEED = 3
EVIL = "    return 1  # \x1b[2J\x1b]0;owned\x07\u202egnp\n"


def made_run(folder: Path, judge: str) -> Path:
    """A run with the stages data, tokenizer and prefer; the judge prefers the truth but in the last two cases."""
    made = folder / "runs" / "made"
    for stage in ("data", "tokenizer", "prefer"):
        (made / stage).mkdir(parents=True)
    projects = corpus(projects=2, files=3, split="train")
    rows = [vars(one) for _, files in projects for one in files]
    pq.write_table(pa.Table.from_pylist(rows), made / "data" / "corpus.parquet")
    text = train_tokenizer([row["text"] for row in rows], 360).to_str()
    (made / "tokenizer" / "tokenizer.json").write_text(text)
    tokenizer = Tokenizer.from_json(text)
    form = detect_format(tokenizer)
    pairs = []
    for number, case in enumerate(draw_cases(lambda: projects, CASES, FimConfig(), SEED)):
        built = make_prompt(
            tokenizer,
            form,
            None,
            path=case.path,
            prefix=case.prefix,
            suffix=case.suffix,
            strategy="none",
            config=PromptConfig(max_tokens=700),
        )
        good, bad = candidate(case.middle, 0.912), candidate(EVIL if number == 0 else f"no_{number}()\n", 0.123)
        pair = Pair(case.id, good, bad) if number < CASES - 2 else Pair(case.id, bad, good)
        pairs.append(pair_row(pair, case, Sampled(built.ids, built.healed, ()), judge, tokenizer, form))
    write_pairs(pairs, made / "prefer" / "pairs.parquet")
    settings = {"seed": SEED, "fim": FimConfig().model_dump(), "prefer": {"min_margin": 0.15}}
    outputs = hash_outputs(made / "prefer")
    manifest = Manifest(
        "prefer", "key", "digest", settings, "code", {}, outputs, {}, "2025-01-31T12:00:00", 1.0, "here"
    )
    write_manifest(made / "prefer", manifest)
    return made


@pytest.fixture
def made(tmp_path):
    return made_run(tmp_path, "llm")


def review(monkeypatch, capsys, made, keys, *options):
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{key}\n" for key in keys)))
    monkeypatch.setenv("COLUMNS", "100")
    assert run(["review", str(made), *options]) == 0
    return capsys.readouterr().out


def chosen_keys(made):
    return [str(item.chosen + 1) for item in load_items(made, 50, 0)]


def test_the_context_is_that_of_the_file(made):
    rows = pq.read_table(made / "data" / "corpus.parquet").to_pylist()
    files = {(row["project"], row["path"]): row["text"] for row in rows}
    items = load_items(made, None, 0)
    assert len(items) == CASES
    for item in items:
        text = files[item.project, item.path]
        good = next(one for one in item.texts if one + item.suffix in text)
        assert (item.prefix + good + item.suffix) in text
    assert {item.chosen for item in items} == {0, 1}


def test_the_seed_draws_order_and_sides(made):
    first, second, other = load_items(made, 5, 0), load_items(made, 5, 0), load_items(made, 5, 1)
    assert first == second != other
    assert len({item.pair for item in load_items(made, None, 1)}) == CASES


def test_a_review_is_blind_goes_on_and_reports_agreement(made, monkeypatch, capsys):
    keys = chosen_keys(made)
    shown = review(monkeypatch, capsys, made, [*keys[:3], "q"])
    first, *_ = shown.split("the one before")
    assert "0.91" not in first and "llm" not in first
    assert shown.count("the judge llm prefers") == 3
    assert "3 of 8 pairs reviewed" in shown
    again = review(monkeypatch, capsys, made, keys[3:])
    assert "4 of 8 " in again and "1 of 8 " not in again
    assert "8 of 8 pairs reviewed" in again
    report = json.loads(review(monkeypatch, capsys, made, [], "--json"))
    assert report["answered"] == 8
    assert report["agreement"]["llm"]["kappa"]["value"] == 1
    assert report["agreement"]["reference"]["share"]["value"] == 6 / 8
    assert report["agreement"]["reference"]["pairs"] == 8


def test_ties_skips_and_taking_back(made, monkeypatch, capsys):
    items = load_items(made, 50, 0)
    shown = review(monkeypatch, capsys, made, ["u", "1", "u", "x", "2", "t", "s"])
    assert "nothing to take back" in shown and "taken back" in shown
    labels = list(Labels(made / "review.jsonl").by_pair.values())
    assert [label.better for label in labels] == [text_name(items[0].texts[1]), "tie", "skip"]
    assert [label.pair for label in labels] == [item.pair for item in items[:3]]
    assert json.loads(review(monkeypatch, capsys, made, [], "--json"))["answered"] == 2


def test_a_completion_cannot_command_the_terminal(made, monkeypatch, capsys):
    shown = review(monkeypatch, capsys, made, ["1"] * CASES)
    assert "return 1" in shown
    assert not any(character in shown for character in "\x1b\x07\u202e")
    assert visible("a\tb\r\nc\x9b\u2066é\x00") == "a\tb\nc\ufffd\ufffdé\ufffd"


def test_a_run_without_pairs(tmp_path, capsys):
    (tmp_path / "runs" / "bare" / "data").mkdir(parents=True)
    assert run(["review", "bare", "--runs", str(tmp_path / "runs")]) == 2
    assert "has no preference pairs; run its stage `prefer` first" in capsys.readouterr().err


def test_keys_on_a_terminal(made):
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "midspan.cli.main", "review", str(made)]
    process = subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, text=True)
    os.close(slave)
    os.write(master, b"12q")
    out, _ = process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == 0
    assert "2 of 8 pairs reviewed" in out
    assert [label.side for label in Labels(made / "review.jsonl").by_pair.values()] == [1, -1]


def test_the_page(made):
    command = [sys.executable, "-m", "midspan.cli.main", "review", str(made), "--web", "--count", "3"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        url = re.search(r"http://127\.0\.0\.1:\d+/\S+/", process.stderr.readline()).group()
        with httpx.Client(base_url=url, trust_env=False) as client:
            page = client.get("")
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert "http" not in re.sub(r"<script.*?>|<!doctype html>", "", page.text)
            assert client.get("../state").status_code == 404
            assert client.get("../wrong/state").status_code == 404
            assert client.get("state", headers={"Host": "evil.example"}).status_code == 403
            assert client.post("answer", json={}, headers={"Origin": "http://evil.example"}).status_code == 403
            state = client.get("state").json()
            assert (state["done"], state["count"]) == (0, 3)
            assert "chosen" not in state["item"] and "llm" not in json.dumps(state)
            pair = state["item"]["pair"]
            after = client.post("answer", json={"action": "1", "pair": pair}).json()
            assert after["said"].startswith("the one before: the judge llm prefers") and after["done"] == 1
            stale = client.post("answer", json={"action": "2", "pair": pair}).json()
            assert stale["done"] == 1 and stale["item"] == after["item"]
            assert client.post("answer", json={"action": "undo", "pair": None}).json()["item"]["pair"] == pair
            for _ in range(3):
                state = client.post(
                    "answer", json={"action": "tie", "pair": client.get("state").json()["item"]["pair"]}
                )
            assert state.json()["item"] is None
            assert client.post("answer", json={"action": "quit"}).json()["item"] is None
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0 and "3 of 3 pairs reviewed" in out
    assert len(Labels(made / "review.jsonl").by_pair) == 3


def test_the_report_of_the_command(made):
    out = midspan("review", str(made), "--report", cwd=made).stdout
    assert "0 of 8 pairs reviewed, 0 with an answer" in out
