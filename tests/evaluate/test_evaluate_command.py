"""`midspan eval run`, `compare` and `ablate` on a real model that was not taught anything."""

import json
from types import SimpleNamespace

import pytest
from tiny_run import tiny_run
from typer.testing import CliRunner

from midspan.cli.main import app
from midspan.complete.pipeline import STEPS
from midspan.errors import MidspanError
from midspan.evaluate.ablate import ways
from midspan.evaluate.answers import answers_file
from midspan.evaluate.baseline import CopySystem
from midspan.evaluate.systems import Way
from midspan.prompt.formats import FORMATS
from midspan.recipe.schema import PromptConfig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    tiny_run(run, steps=0)
    return run


def midspan(*arguments):
    result = CliRunner().invoke(app, ["eval", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def evaluated(folder, *arguments):
    common = ("--cases", folder, "--limit", 4, "--max-new-tokens", 6, "--json")
    return json.loads(midspan("run", *common, *arguments))


def untimed(row):
    return {name: value for name, value in row.items() if not name.startswith("latency")}


def test_models_raw_or_not_and_a_baseline_in_one_table(folder, tmp_path):
    models = ("--model", folder / "sft" / "hf", "--model", folder / "pretrain" / "hf", "--baseline", "copy")
    out = tmp_path / "results"
    report = evaluated(folder, *models, "--out", out)
    assert [row["system"] for row in report["rows"]] == [str(folder / "sft/hf"), str(folder / "pretrain/hf"), "copy"]
    assert report["rows"][0]["recited"] == 0 and "recited" not in report["rows"][2]
    assert {path.name for path in out.iterdir()} == {
        "cases.parquet",
        "predictions.parquet",
        "report.json",
        "report.html",
    }
    cache = answers_file(CopySystem(raw=False))
    cache.write_bytes(cache.read_bytes()[:-20])  # as a kill in the middle of writing leaves it
    again = evaluated(folder, *models, "--out", out)
    assert again["rows"][:2] == report["rows"][:2]  # latencies too: nothing was asked again
    assert untimed(again["rows"][2]) == untimed(report["rows"][2])
    raw = evaluated(folder, "--model", folder / "sft" / "hf", "--raw", "--out", tmp_path / "raw")
    assert raw["raw"] is True
    compared = json.loads(midspan("compare", f"{out}#{folder / 'sft/hf'}", tmp_path / "raw", "--json"))
    assert compared["cases"] == 4 and len(compared["systems"]) == 1
    shown = midspan("compare", f"{out}#copy", tmp_path / "raw", "--out", tmp_path / "page.html")
    assert "exact match" in shown and "regressions first" in (tmp_path / "page.html").read_text()


def test_ablations_from_one_command(folder, tmp_path):
    parts = [word for part in ("context", "order", "healing", "quantisation") for word in ("--part", part)]
    arguments = ("--cases", folder, "--limit", 2, "--max-new-tokens", 4, "--out", tmp_path / "out", "--json")
    found = json.loads(midspan("ablate", folder / "sft" / "hf", *parts, *arguments))
    names = [row["system"] for row in found["rows"]]
    assert names[0] == "as it is" and {"no context", "context rag", "no token healing"} < set(names)
    assert {"PSM order", "weights f32", "weights q8_0"} < set(names) and found["left_out"] == {}
    assert set(found["differences"]) == set(names[1:])


def test_each_step_can_be_left_out_and_what_cannot_be_tried_is_said():
    left_out = {}
    engine = SimpleNamespace(format=FORMATS["codellama"], prompt_config=PromptConfig())
    tried = dict(ways(Way(), engine, ["context", "steps"], left_out))
    assert {name.removeprefix("no step ") for name in tried} == {"as it is", "at all"} | {step.name for step in STEPS}
    assert tried["no step scope"].skip == {"scope"} and tried["no step at all"].raw
    assert left_out == {"context": "models of the family codellama know no context files"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--cases", "nowhere", "--baseline", "copy"), "no cases nowhere"),
        (("run", "--cases", "nowhere"), "nothing to evaluate"),
        (("compare", "nowhere", "elsewhere"), "holds no results"),
        (("ablate", "model", "--cases", "nowhere", "--part", "weather"), "no part weather"),
    ],
)
def test_errors_say_what_is_wrong(arguments, said):
    with pytest.raises(MidspanError, match=said):
        midspan(*arguments)
