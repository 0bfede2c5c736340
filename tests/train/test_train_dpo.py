import json
import math
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from train_samples import context, inputs, recipe, tokenizer_json, write_pairs

from midspan.errors import MidspanError
from midspan.model.checkpoint import load_hf, save_hf
from midspan.model.llama import Llama
from midspan.recipe.progress import Progress
from midspan.recipe.stage import StageContext
from midspan.train import dpo
from midspan.train.dpo import MAX_HELD_OUT, hold_out, written_by_reference
from midspan.train.rows import COUNTED, open_rows

HERE = Path(__file__).parent
PATHS = os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
BREAKING = {"tokens": 20_000, "optimizer": {"name": "adamw", "learning_rate": 0.5}}
"""A learning rate that ruins the model within a few steps."""


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Inputs of the stage; the reference is a model without training."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("dpo")
    model = Llama(recipe().model, 512)
    model.initialise(1)
    save_hf(model, tokenizer_json(), folder / "sft/hf")
    return inputs(folder) | {"sft": folder / "sft", "prefer": write_pairs(folder / "prefer")}


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def weights(folder):
    return (folder / "hf/model.safetensors").read_bytes()


@pytest.mark.parametrize("loss", ["sigmoid", "sigmoid_norm", "ipo", "robust"])
def test_every_loss_widens_the_margin(stages, tmp_path, loss):
    wide = {"max_kl": 100, "max_valid_increase": 100}
    wanted = recipe(dpo={"loss": loss, "beta": 0.1, "tokens": 12_000, "sft_weight": 0.0, **wide})
    metrics = dpo.run(context(tmp_path / "dpo", stages, wanted))
    rows = [row for row in rows_of(tmp_path / "dpo") if "loss" in row]
    assert metrics["pairs"] == 12
    assert metrics["loss_first"] == pytest.approx(25 if loss == "ipo" else math.log(2), rel=1e-3)
    assert [rows[0][name] for name in ("margin", "kl", "end_ratio")] == pytest.approx([0, 0, 0], abs=1e-4)
    assert rows[-1]["margin"] > 0.02
    assert rows[-1]["accuracy"] > 0.9
    assert rows[-1]["kl"] > 0
    assert metrics["loss_last"] < metrics["loss_first"]
    assert "stopped_by" not in metrics


def test_the_rows_say_what_is_to_be_watched(stages, tmp_path):
    dpo.run(context(tmp_path / "dpo", stages, recipe()))
    rows = rows_of(tmp_path / "dpo")
    watched = {"reward_chosen", "reward_rejected", "margin", "accuracy", "kl", "end_ratio"}
    watched |= {"chosen_tokens", "rejected_tokens"}
    assert all(watched <= set(row) for row in rows if "loss" in row)
    held = [row for row in rows if "valid_bits_per_byte" in row]
    assert all({f"valid_{name}" for name in watched} <= set(row) for row in held)
    assert (held[0]["step"], held[0]["valid_kl"], held[0]["valid_margin"]) == (0, 0, 0)
    first = next(row for row in rows if "loss" in row)
    assert first["margin"] == pytest.approx(first["reward_chosen"] - first["reward_rejected"])
    pairs = pq.read_table(stages["prefer"] / "pairs.parquet").to_pylist()[:-1]
    assert min(len(pair["chosen_ids"]) for pair in pairs) <= first["chosen_tokens"]
    assert first["rejected_tokens"] <= max(len(pair["rejected_ids"]) for pair in pairs)


def test_the_reference_is_computed_once_and_is_that_of_the_model(stages, tmp_path, monkeypatch):
    work = context(tmp_path / "dpo", stages, recipe())
    dpo.run(work)
    found, rows = np.load(work.resume / "reference.npy"), open_rows(work.resume / "rows")
    model = load_hf(stages["sft"] / "hf")
    at = 0
    for tokens, flags in zip(rows.tokens, rows.flags, strict=True):
        logprobs = model(torch.from_numpy(tokens[None, :-1].astype(np.int64)))[0].log_softmax(-1)
        for place in np.flatnonzero(flags[1:] & COUNTED):
            assert found[at] == pytest.approx(logprobs[place, tokens[place + 1]].item(), abs=1e-4)
            at += 1
    assert at == len(found)
    monkeypatch.setattr(dpo, "reference_logprobs", None)  # a second run of the same work must not need it
    dpo.run(work)


def test_only_what_the_reference_wrote_counts_for_the_divergence(stages):
    pairs = pq.read_table(stages["prefer"] / "pairs.parquet").to_pylist()[:-1]
    marks = written_by_reference(stages["prefer"] / "pairs.parquet", 385).tolist()
    for pair in pairs:
        chosen, rejected = len(pair["chosen_ids"]), len(pair["rejected_ids"])
        own = {"sampled": chosen, "shortened": chosen - 1, "truth": 0}[pair["chosen_source"]]
        assert marks[:chosen] == [True] * own + [False] * (chosen - own)
        assert marks[chosen : chosen + rejected] == [True] * rejected
        del marks[: chosen + rejected]
    assert marks == []


@given(st.lists(st.sampled_from("abcdefghijklmnop"), max_size=80), st.integers(1, 20), st.integers(0, 3))
def test_held_out_pairs_are_few_and_share_no_case_with_the_others(cases, limit, seed):
    held = hold_out(cases, limit, seed)
    assert len(held) <= min(limit, MAX_HELD_OUT * len(cases))
    assert held == sorted(set(held))
    assert not {cases[number] for number in held} & {
        case for number, case in enumerate(cases) if number not in set(held)
    }
    assert held == hold_out(cases, limit, seed)


def test_pairs_are_held_out_where_there_are_enough(stages, tmp_path):
    more = stages | {"prefer": write_pairs(tmp_path / "prefer", 24)}
    metrics = dpo.run(context(tmp_path / "dpo", more, recipe()))
    assert (metrics["pairs"], metrics["pairs_held_out"]) == (22, 2)


@pytest.mark.parametrize("setting", ["max_kl", "max_valid_increase"])
def test_the_guard_stops_before_the_model_breaks(stages, tmp_path, setting, capsys):
    limits = {"max_kl": 1e9, "max_valid_increase": 1e9} | {setting: 0.2}
    work = context(tmp_path / "dpo", stages, recipe(dpo=BREAKING | limits))
    metrics = dpo.run(StageContext(work.recipe, work.inputs, work.work, Progress()))
    assert metrics["stopped_by"] == setting
    assert metrics["stopped_at"] < 20
    assert metrics["steps"] < metrics["stopped_at"]
    last = rows_of(tmp_path / "dpo")[-1]
    assert (last["stopped_by"], last["step"]) == (setting, metrics["stopped_at"])
    assert last["value"] > 0.2
    said = [line for line in capsys.readouterr().err.splitlines() if "stopped at step" in line]
    assert len(said) == 1
    assert f"[dpo] {setting}" in said[0]
    assert f"the weights of step {metrics['steps']} are kept" in said[0]
    good = next(row for row in rows_of(tmp_path / "dpo") if row["step"] == metrics["steps"] and "valid_kl" in row)
    assert metrics["valid_bits_per_byte"] == good["valid_bits_per_byte"]
    assert metrics["steps"] or weights(tmp_path / "dpo") == weights(stages["sft"])


def test_the_weights_kept_are_the_last_good_ones(stages, tmp_path):
    """A limit passed by the slow way of a usable learning rate: those weights are within it, as measured again."""
    limits = {"max_kl": 0.02, "sft_weight": 0.0, "tokens": 20_000}
    metrics = dpo.run(context(tmp_path / "dpo", stages, recipe(dpo=limits)))
    assert metrics["stopped_by"] == "max_kl"
    assert 0 < metrics["steps"] < metrics["stopped_at"]
    after = stages | {"sft": tmp_path / "dpo"}
    again = dpo.run(context(tmp_path / "again", after, recipe(dpo=limits | {"max_kl": 1e9, "tokens": 600})))
    assert rows_of(tmp_path / "again")[0]["valid_bits_per_byte"] == pytest.approx(metrics["valid_bits_per_byte"])
    assert "stopped_by" not in again


def worker(folder, place="", count=0, env=None, **changes):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, str(HERE / "train_worker.py"), str(folder), "dpo", place, str(count), json.dumps(changes)],
        env=os.environ | {"PYTHONPATH": PATHS} | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finish(process):
    output = process.communicate()[0].decode()
    assert process.returncode == 0, output


def beside(stages, folder):
    """The inputs where the workers look for them."""
    for name in ("sft", "prefer"):
        (folder / name).symlink_to(stages[name])


SLOW_BREAK = {"max_kl": 0.02, "sft_weight": 0.0, "tokens": 20_000, "checkpoint_steps": 3, "valid_steps": 5}
SLOW_BREAK["optimizer"] = {"name": "adamw", "learning_rate": 1e-3}


@pytest.mark.slow
@pytest.mark.parametrize(("place", "count"), [("step", 3), ("step", 8), ("checkpoint", 1), ("checkpoint", 3)])
def test_killed_and_resumed_stops_at_the_same_place_with_the_same_bytes(stages, tmp_path, place, count):
    beside(stages, tmp_path)
    finish(worker(tmp_path / "whole", dpo=SLOW_BREAK))
    killed = worker(tmp_path / "killed", place=place, count=count, dpo=SLOW_BREAK)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    finish(worker(tmp_path / "killed", dpo=SLOW_BREAK))
    whole, again = (tmp_path / name for name in ("whole", "killed"))
    assert weights(whole / "dpo") == weights(again / "dpo")
    timing = {"tokens_per_second", "seconds"}
    curves = [[{k: v for k, v in row.items() if k not in timing} for row in rows_of(f / "dpo")] for f in (whole, again)]
    assert curves[0] == curves[1]
    one, two = (json.loads((folder / "dpo.json").read_text()) for folder in (whole, again))
    assert one["stopped_by"] == two["stopped_by"] == "max_kl"
    assert (one["steps"], one["stopped_at"]) == (two["steps"], two["stopped_at"])
    assert one["steps"] > 0


@pytest.mark.slow
def test_one_rank_and_two_give_the_same_curve_and_stop_together(stages, tmp_path):
    beside(stages, tmp_path)
    finish(worker(tmp_path / "one", dpo=SLOW_BREAK))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    ranks = [
        worker(tmp_path / "two", env=shared | {"RANK": str(rank)}, dpo=SLOW_BREAK, parallel={"shards": 2})
        for rank in range(2)
    ]
    for process in ranks:
        finish(process)
    reference = [np.load(tmp_path / name / "dpo/resume/reference.npy") for name in ("one", "two")]
    assert (reference[0] == reference[1]).all()
    for key in ("loss", "kl", "valid_kl", "valid_bits_per_byte"):
        one, two = ([row[key] for row in rows_of(tmp_path / name / "dpo") if key in row] for name in ("one", "two"))
        assert one == pytest.approx(two, rel=1e-3, abs=1e-5)
    one, two = (json.loads((tmp_path / name / "dpo.json").read_text()) for name in ("one", "two"))
    assert (one["steps"], one["stopped_at"]) == (two["steps"], two["stopped_at"])


def test_no_usable_pair_is_named(stages, tmp_path):
    none = stages | {"prefer": write_pairs(tmp_path / "prefer", 0)}
    with pytest.raises(MidspanError, match=r"none of the preference pairs fits"):
        dpo.run(context(tmp_path / "dpo", none, recipe()))
