"""What the commands print when all is well."""

import json
import subprocess
import sys

import pytest
from nano_run import midspan

from midspan.cli.complete import print_explanation, read_caret
from midspan.cli.main import run
from midspan.complete.request import StepReport, Suggestion, Timings
from midspan.prompt.build import Part, Prompt

COMMANDS = ["build", "data", "tokenizer", "pretrain", "sft", "prefer", "dpo", "export", "eval"]
COMMANDS += ["plan", "runs", "card", "review", "syntax", "doctor", "serve", "index", "complete", "lsp"]


def test_every_command_is_listed_and_explains_itself(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["--help"]) == 0
    overview = capsys.readouterr().out
    for command in COMMANDS:
        assert f" {command} " in overview
        assert run([command, "--help"]) == 0
        text = capsys.readouterr().out
        assert "Usage" in text
        assert all(len(line) <= 200 for line in text.splitlines())


def test_version(tmp_path):
    assert midspan("--version", cwd=tmp_path).stdout.startswith("midspan 0.")


@pytest.mark.parametrize("preset", ["nano", "mellum-4b"])
def test_plan(tmp_path, preset):
    plan = json.loads(midspan("plan", preset, "--json", cwd=tmp_path).stdout)
    assert [stage["stage"] for stage in plan["stages"]] == ["pretrain", "sft", "dpo"]
    assert all(stage["state"] == "to run" and stage["seconds_here"] > 0 for stage in plan["stages"])
    text = midspan("plan", preset, cwd=tmp_path).stdout
    assert f"{plan['parameters']:,} parameters" in text


def test_plan_of_the_blueprint_has_its_published_size(tmp_path):
    plan = json.loads(midspan("plan", "mellum-4b", "--json", cwd=tmp_path).stdout)
    # 49,152 x 3,072 twice, 30 blocks of 4 x 3,072^2 + 3 x 3,072 x 8,256, 61 norms of 3,072.
    assert plan["parameters"] == 3_717_258_240
    assert plan["devices"] == 256


def test_doctor_says_what_is_installed_and_what_is_wrong(tmp_path):
    (tmp_path / "bad.toml").write_text('extends = "nano"\n[model]\nheads = 7\n')
    answer = midspan("doctor", "bad.toml", cwd=tmp_path, check=False)
    assert answer.returncode == 2
    assert "xllamacpp" in answer.stdout
    assert "bad.toml:2: model: hidden_size 192 is not a multiple of heads 7" in answer.stdout
    findings = json.loads(midspan("doctor", "nano", "--json", cwd=tmp_path).stdout)
    topics = {"midspan", "serving", "training", "device", "model", "recipe", "filters"}
    assert {finding["topic"] for finding in findings} == topics
    assert "max_line_length > 1,000" in findings[-1]["text"]


def test_without_runs_the_list_says_how_to_make_one(tmp_path):
    assert "midspan build nano" in midspan("runs", cwd=tmp_path).stdout
    assert json.loads(midspan("runs", "--json", cwd=tmp_path).stdout) == {}


def test_the_serving_commands_start_without_the_training_packages():
    """What `pip install midspan` lacks is made unimportable; the commands that must work then are imported."""
    blocked = ["torch", "daft", "pyarrow", "sacrebleu", "rapidfuzz", "licenseclassifier", "license_expression", "re2"]
    script = f"""
import sys
for name in {blocked}:
    sys.modules[name] = None
import midspan.cli.main, midspan.serve.run, midspan.serve.lsp, midspan.engine.open, midspan.complete.completer
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_stage_without_its_packages_names_them(tmp_path):
    script = """
import sys
sys.modules["pyarrow"] = None
from midspan.cli.main import run
sys.exit(run(["data", "nano", "--runs", "runs"]))
"""
    answer = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    assert "needs the package pyarrow" in answer.stderr
    assert "midspan[train]" in answer.stderr


def test_lines_of_a_caret_end_as_in_editors(tmp_path):
    file = tmp_path / "page.py"
    file.write_bytes("a\x0cb\u2028c\r\nd\re\n".encode())
    places = {f"{file}:1:6": ("a\x0cb\u2028c", "\r\n"), f"{file}:2:1": ("\r\n", "d"), f"{file}:4:1": ("\n", "")}
    for place, (before, behind) in places.items():
        caret = read_caret(place)
        assert caret.prefix.endswith(before)
        assert caret.suffix.startswith(behind)
        assert (caret.prefix + caret.suffix).encode() == file.read_bytes()
    assert read_caret(f"{file}:4:1").suffix == ""


def test_explain_shows_paths_with_brackets_as_they_are(capsys):
    prompt = Prompt([1], "", (Part("context", "app/[id]/[/page].tsx", 1, "same directory", "[red]text"),))
    print_explanation(
        Suggestion(
            "x", -0.1, "end", 1, 0, 1, Timings(1, 1, 2), "", prompt, (StepReport("overlap", "2 -> 1 characters", 0.1),)
        )
    )
    shown = capsys.readouterr().out
    assert shown.count("app/[id]/[/page].tsx") == 2
    assert "[red]text" in shown
