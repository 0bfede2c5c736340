"""The whole pipeline on real code: what must hold from one end to the other."""

import asyncio
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from nano_run import NanoRun, midspan, write_recipe
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest
from midspan.context.project import File, Project
from midspan.data.corpus import documents, projects
from midspan.engine.open import open_engine
from midspan.engine.protocol import GenerateRequest
from midspan.evaluate.cases import read_cases
from midspan.fim.split import document_rng
from midspan.fim.syntax import syntax_split
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.load import load_recipe
from midspan.recipe.manifest import hash_outputs, read_manifest
from midspan.syntax.languages import language_of
from midspan.train.examples import ExampleMaker

pytestmark = pytest.mark.slow

STAGES = ["data", "tokenizer", "pretrain", "sft", "prefer", "dpo", "export", "eval"]
DATA_SPLITS = ("train", "valid", "test")


def metrics_rows(nano: NanoRun, stage: str) -> list[dict]:
    return metrics_rows_of(nano.run, stage)


def metrics_rows_of(run: Path, stage: str = "pretrain") -> list[dict]:
    return [json.loads(line) for line in (run / stage / "metrics.jsonl").read_text().splitlines()]


def test_every_stage_is_finished_and_its_manifest_true(nano):
    assert list(nano.built) == STAGES
    for stage in STAGES:
        assert read_manifest(nano.stage(stage)).outputs == hash_outputs(nano.stage(stage))
    assert not [path for path in nano.run.iterdir() if path.name.endswith(".work")]


def test_a_second_build_reuses_every_stage_and_is_quick_to_say_so(nano):
    before = {stage: (nano.stage(stage) / "manifest.json").stat().st_mtime_ns for stage in STAGES}
    answer = midspan("build", "recipe.toml", cwd=nano.folder)
    assert answer.stderr.split() == [word for stage in STAGES for word in (f"{stage}:", "reused")]
    assert before == {stage: (nano.stage(stage) / "manifest.json").stat().st_mtime_ns for stage in STAGES}


def test_the_loss_falls(nano):
    losses = [row["loss"] for row in metrics_rows(nano, "pretrain") if "loss" in row]
    assert sum(losses[-3:]) / 3 < sum(losses[:3]) / 3 - 1.5
    metrics = {stage: read_manifest(nano.stage(stage)).metrics for stage in ("pretrain", "sft", "dpo")}
    for stage in metrics.values():
        assert 0 < stage["valid_bits_per_byte"] < 8
    # An untrained model spends log2(1024) bits on a token of some 2.5 bytes.
    assert metrics["pretrain"]["valid_bits_per_byte"] < 3.6


def test_dpo_starts_at_its_reference_and_leaves_it(nano):
    margins = [row["margin"] for row in metrics_rows(nano, "dpo") if "margin" in row]
    assert margins[0] == pytest.approx(0, abs=1e-5)
    assert all(abs(margin) > 1e-5 for margin in margins[1:])
    weights = [(nano.stage(stage) / "hf/model.safetensors").read_bytes() for stage in ("sft", "dpo")]
    assert weights[0] != weights[1]


def test_the_splits_share_no_project_and_no_file(nano):
    found = {split: list(documents(nano.stage("data"), split)) for split in DATA_SPLITS}
    for split in DATA_SPLITS:
        others = [document for other in DATA_SPLITS if other != split for document in found[other]]
        assert found[split]
        assert not {d.project for d in found[split]} & {d.project for d in others}
        assert not {d.sha256 for d in found[split]} & {d.sha256 for d in others}
    assert {case.project for case in read_cases(nano.stage("eval") / "cases.parquet")} <= {
        document.project for document in found["test"]
    }


def test_every_file_of_the_corpus_has_licence_source_and_hash(nano):
    for split in DATA_SPLITS:
        for document in documents(nano.stage("data"), split):
            assert document.licence
            assert document.source
            assert re.fullmatch("[0-9a-f]{64}", document.sha256)


def test_training_evaluation_and_editor_print_the_same_prompt(nano):
    """One file, one caret: the example SFT trains on and the request an editor sends begin with the same tokens."""
    recipe = load_recipe(str(nano.folder / "recipe.toml"))
    tokenizer = Tokenizer.load(nano.stage("tokenizer"))
    sft = recipe.sft.model_copy(update={"strategies": {recipe.prompt.strategy: 1.0}})
    maker = ExampleMaker(tokenizer, detect_format(tokenizer), recipe.fim, recipe.prompt, sft, recipe.seed)
    compared = asyncio.run(_compare_prompts(nano, maker))
    assert compared >= 20


async def _compare_prompts(nano: NanoRun, maker: ExampleMaker) -> int:
    engine = await open_engine(str(nano.stage("export") / "model-f32.gguf"))
    completer, compared = Completer(engine), 0
    try:
        for name, files in projects(nano.stage("data"), "test"):
            project = Project.of(name, [File(document.path, document.text) for document in files])
            for document in files[:20]:
                example = maker.make(document, project, document_rng(0, 0, document.sha256))
                split = syntax_split(
                    document.text, language_of(document.path), document_rng(0, 0, document.sha256), maker.fim
                )
                if example is None or split is None:
                    continue
                request = CompletionRequest(document.path, split.prefix, split.suffix, project, max_new_tokens=1)
                suggestion = await completer.complete(request)
                assert list(example.ids[: example.counted_from]) == suggestion.prompt.ids
                compared += 1
    finally:
        await engine.close()
    return compared


def test_exported_weights_give_the_same_logits(nano):
    """llama.cpp on the exported GGUF and transformers on the exported directory agree on log-probabilities."""
    generation, ids = asyncio.run(_greedy(nano))
    model = AutoModelForCausalLM.from_pretrained(nano.stage("export") / "hf", dtype=torch.float32)
    with torch.no_grad():
        for logprob in generation.logprobs:
            expected = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1], dim=-1)
            best = int(expected.argmax())
            assert logprob == pytest.approx(expected[best].item(), abs=1e-3)
            ids.append(best)


async def _greedy(nano: NanoRun):
    engine = await open_engine(str(nano.stage("export") / "model-f32.gguf"))
    try:
        ids = engine.tokenizer.encode("import os\n\n\ndef read(path):\n    with open(")
        return await engine.generate(GenerateRequest(prompt=ids, max_tokens=12)), ids
    finally:
        await engine.close()


def test_killed_anywhere_and_resumed_gives_the_same_bytes(nano, tmp_path):
    """kill -9 once in every stage at a random moment; the finished run holds the weights of the uninterrupted one."""
    write_recipe(tmp_path)
    chance = random.Random(7)
    killed = []
    for stage in STAGES:
        process = subprocess.Popen(
            [sys.executable, "-m", "midspan.cli.main", "build", "recipe.toml"],
            cwd=tmp_path,
            env=os.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        work = tmp_path / "runs/nano" / f".{stage}.work"
        while process.poll() is None and not work.exists():
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.8 * nano.built[stage]["seconds"]))
        process.send_signal(signal.SIGKILL)
        if process.wait() == -signal.SIGKILL and work.exists():
            killed.append(stage)
    assert len(killed) >= 4
    midspan("build", "recipe.toml", cwd=tmp_path)
    for stage in STAGES:
        manifests = read_manifest(nano.stage(stage)), read_manifest(tmp_path / "runs/nano" / stage)
        kept, again = (
            {o.path: o.sha256 for o in manifest.outputs if _is_reproducible(stage, o.path)} for manifest in manifests
        )
        assert kept == again, f"stage {stage}, killed: {killed}"


DIE_AT_STEP = """
import os, signal, sys
from midspan.cli.main import run
from midspan.train import loop
step, calls = loop._step, []
def dying(*given):
    calls.append(1)
    if len(calls) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*given)
loop._step = dying
run(sys.argv[1:])
"""


def test_a_leg_on_another_machine_leaves_no_trace_in_the_curve(nano, tmp_path):
    home, away = tmp_path / "home", tmp_path / "away"
    for stage in ("data", "tokenizer"):
        shutil.copytree(nano.stage(stage), home / "runs/nano" / stage)
    recipe = str(nano.folder / "recipe.toml")
    killed = subprocess.run([sys.executable, "-c", DIE_AT_STEP, "pretrain", recipe], cwd=home, capture_output=True)
    assert killed.returncode == -signal.SIGKILL

    packed = midspan("pack", recipe, "-o", "out", "--part-size", "200kB", cwd=home).stdout
    parts = sorted((home / "out").glob("part-*"))
    assert "stage pretrain at step 5" in packed and len(parts) > 2
    assert {path.stat().st_size for path in parts[:-1]} == {200_000}
    midspan("pack", recipe, "-o", "again", "--part-size", "200kB", cwd=home)
    assert [path.read_bytes() for path in parts] == [path.read_bytes() for path in sorted(home.glob("again/part-*"))]

    shutil.copytree(home / "out", away / "in")
    whole = (away / "in" / parts[1].name).read_bytes()
    for damage, why in ((None, "is missing"), (whole[:-1] + b"?", "is damaged")):
        (away / "in" / parts[1].name).unlink(missing_ok=True)
        if damage:
            (away / "in" / parts[1].name).write_bytes(damage)
        answer = midspan("unpack", "in", cwd=away, check=False)
        assert answer.returncode == 2 and why in answer.stderr and not (away / "runs/nano/data").exists()
    (away / "in" / parts[1].name).write_bytes(whole)
    said = midspan("unpack", "in", cwd=away).stdout
    assert "midspan pretrain runs/nano/recipe.toml" in said
    midspan("pretrain", "runs/nano/recipe.toml", cwd=away)

    curves = [
        [(row["step"], row["loss"]) for row in metrics_rows_of(run) if "loss" in row]
        for run in (nano.run, away / "runs/nano")
    ]
    assert curves[0] == curves[1]
    weights = "pretrain/hf/model.safetensors"
    assert (away / "runs/nano" / weights).read_bytes() == (nano.run / weights).read_bytes()

    midspan("pack", "runs/nano/recipe.toml", "-o", "back", "--stage", "pretrain", "--no-inputs", cwd=away)
    assert midspan("unpack", str(away / "back"), cwd=home).stdout.startswith("runs/nano: pretrain\n")
    assert not (home / "runs/nano/.pretrain.work").exists()
    assert "pretrain: reused" in midspan("pretrain", recipe, cwd=home).stderr
    assert "nothing new" in midspan("unpack", str(away / "back"), cwd=home).stdout
    behind = midspan("unpack", "out", cwd=home, check=False)
    assert behind.returncode == 2 and "is finished here" in behind.stderr


def test_weights_alone_come_home(nano, tmp_path):
    for stage in ("data", "tokenizer"):
        shutil.copytree(nano.stage(stage), tmp_path / "runs/nano" / stage)
    recipe = str(nano.folder / "recipe.toml")
    subprocess.run([sys.executable, "-c", DIE_AT_STEP, "pretrain", recipe], cwd=tmp_path, capture_output=True)
    midspan("pack", recipe, "-o", "out", "--weights-only", "--no-inputs", cwd=tmp_path)
    (tmp_path / "home").mkdir()
    midspan("unpack", "../out", cwd=tmp_path / "home")
    found = AutoModelForCausalLM.from_pretrained(tmp_path / "home/runs/nano/pretrain-step-5")
    state = load_file(tmp_path / "runs/nano/.pretrain.work/resume/checkpoint-5/state.safetensors")
    for name, tensor in found.state_dict().items():
        if f"model.{name}" in state:
            assert torch.equal(tensor.bfloat16(), state[f"model.{name}"].bfloat16())
    whole = sum(path.stat().st_size for path in (tmp_path / "out").glob("part-*"))
    assert whole < 0.25 * sum(path.stat().st_size for path in (tmp_path / "runs/nano/.pretrain.work").rglob("state.*"))


def test_build_from_a_stage_does_not_look_at_the_sources(nano, tmp_path):
    shutil.copytree(nano.run, tmp_path / "runs/nano")
    gone = (nano.folder / "recipe.toml").read_text().replace('kind = "environment"', 'kind = "folder", path = "gone"')
    (tmp_path / "recipe.toml").write_text(re.sub(r", packages = \[.*?\]", "", gone))
    assert midspan("build", "recipe.toml", cwd=tmp_path, check=False).returncode == 2
    answer = midspan("build", "recipe.toml", "--from", "tokenizer", cwd=tmp_path)
    assert answer.stderr.split() == [word for stage in STAGES for word in (f"{stage}:", "reused")]
    answer = midspan("build", "nano", "--from", "nonsense", cwd=tmp_path, check=False)
    assert "there is no stage nonsense" in answer.stderr


def _is_reproducible(stage: str, path: str) -> bool:
    """All outputs but those that hold measured times."""
    timed = stage == "eval" and path == "report.html"
    return not timed and path not in ("metrics.jsonl", "predictions.parquet", "report.json")


def test_the_summary_shows_each_stage(nano):
    table = midspan("runs", "nano", cwd=nano.folder).stdout
    for stage in STAGES:
        assert stage in table
    rows = {
        row["stage"]: row for row in json.loads(midspan("runs", "--json", cwd=nano.folder).stdout)["nano"]["stages"]
    }
    for stage in ("pretrain", "sft", "dpo"):
        assert rows[stage]["tokens"] > 0
        assert 0 <= rows[stage]["exact_match"] <= 1
        assert rows[stage]["chrf"] >= 0
        assert rows[stage]["length_ratio"] >= 0


def test_the_card_names_sources_licences_and_counts(nano):
    midspan("card", "nano", "--output", "card.md", cwd=nano.folder)
    card = (nano.folder / "card.md").read_text()
    report = json.loads((nano.stage("data") / "report.json").read_text())
    for licence in report["licences"]:
        assert licence in card
    for name, about in report["projects"].items():
        if about["split"] == "train":
            assert f"| {name} | {about['revision']} |" in card
    assert f"{report['kept']['files']:,} files" in card
    assert "|nc:6|nw:2|" in card
