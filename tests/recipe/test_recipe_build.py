"""The stage graph on stages that are real functions on real files, small enough to be killed at every step."""

import dataclasses
import json
import os
import subprocess
import sys
import textwrap

import pytest

from midspan.errors import MidspanError
from midspan.recipe import build as build_module
from midspan.recipe.build import build, run_stage
from midspan.recipe.graph import STAGES, key_of
from midspan.recipe.load import load_recipe
from midspan.recipe.manifest import KEY_FILE, MANIFEST, read_manifest
from midspan.recipe.progress import Progress
from midspan.recipe.summary import begun_stages, read_run, run_directory, run_names

TOY = '''
"""Toy stages: `upper` writes a text of the recipe's seed, `double` doubles what `upper` wrote, slowly, resumably."""
import os, signal
from pathlib import Path

def upper(context):
    (context.work / "text").write_text(f"SEED {context.recipe.seed} ")
    return {"tokens": 1}

def double(context):
    kill_at = os.environ.get("KILL_AT")
    text = (context.inputs["upper"] / "text").read_text()
    for step in range(4):
        done = context.resume / str(step)
        if not done.exists():
            if kill_at == str(step):
                os.kill(os.getpid(), signal.SIGKILL)
            done.write_text(text)
            with open(os.environ["LOG"], "a") as log: log.write(f"{step} ")
    (context.work / "text").write_text("".join((context.resume / str(step)).read_text() for step in range(4)))
    return {"tokens": 4}
'''


def toy_graph():
    """Two stages of one toy module in place of the real graph."""
    import toy_stages

    base = next(iter(STAGES.values()))
    upper = dataclasses.replace(base, name="upper", needs=(), settings=("seed",), module="toy_stages.upper")
    double = dataclasses.replace(base, name="double", needs=("upper",), settings=("eval",), module="toy_stages.double")
    functions = {"upper": toy_stages.upper, "double": toy_stages.double}
    STAGES.clear()
    STAGES.update(upper=upper, double=double)
    type(base).function = lambda self: functions[self.name]


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A folder with the toy stages, in effect in this process; restored afterwards."""
    (tmp_path / "toy_stages.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    stages, function = dict(STAGES), next(iter(STAGES.values())).__class__.function
    toy_graph()
    yield tmp_path
    type(next(iter(STAGES.values()))).function = function
    STAGES.clear()
    STAGES.update(stages)
    sys.modules.pop("toy_stages", None)


def built(toys, **settings):
    reused = {}
    recipe = load_recipe("nano", tuple(f"{key.replace('__', '.')}={value}" for key, value in settings.items()))
    manifests = build(
        recipe, toys / "runs", Progress(quiet=True), lambda stage, _, hit: reused.update({stage.name: hit})
    )
    return manifests, reused


def test_stages_run_once_and_are_reused(toys):
    manifests, first = built(toys)
    _, second = built(toys)
    assert first == {"upper": False, "double": False}
    assert second == {"upper": True, "double": True}
    assert (toys / "runs/nano/double/text").read_text() == "SEED 0 " * 4
    assert manifests["double"].inputs == {"upper": manifests["upper"].digest}
    assert (toys / "log").read_text() == "0 1 2 3 "


def test_only_what_depends_on_a_changed_setting_runs_again(toys):
    built(toys)
    assert built(toys, eval__cases=7)[1] == {"upper": True, "double": False}
    assert built(toys, seed=3, eval__cases=7)[1] == {"upper": False, "double": False}
    assert (toys / "runs/nano/double/text").read_text() == "SEED 3 " * 4


def test_unchanged_output_of_a_rerun_stage_spares_the_stages_after_it(toys):
    built(toys)
    manifest = toys / "runs/nano/upper" / MANIFEST
    manifest.write_text(manifest.read_text().replace(read_manifest(manifest.parent).key, "0" * 64))
    assert built(toys)[1] == {"upper": False, "double": True}


@pytest.mark.parametrize("step", range(4))
def test_kill_9_at_any_step_leaves_nothing_half_written_and_resumes(toys, step):
    script = textwrap.dedent("""
        import sys
        sys.path.insert(0, sys.argv[1])
        import test_recipe_build as t, pathlib
        t.toy_graph()
        t.built(pathlib.Path(sys.argv[1]))
    """)
    environment = {**os.environ, "KILL_AT": str(step), "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", script, str(toys)], env=environment, capture_output=True)
    assert killed.returncode == -9, killed.stderr.decode()
    run = toys / "runs/nano"
    assert read_run(run).keys() == {"upper"}
    assert begun_stages(run) == ["double"]
    built(toys)
    assert (run / "double/text").read_text() == "SEED 0 " * 4
    assert sorted((toys / "log").read_text().split()) == ["0", "1", "2", "3"]
    assert not begun_stages(run)


def test_begun_work_of_another_recipe_is_thrown_away(toys, monkeypatch):
    work = toys / "runs/nano/.double.work"
    (work / "resume").mkdir(parents=True)
    (work / "resume" / "0").write_text("stale")
    (work / KEY_FILE).write_text("another key")
    built(toys)
    assert (toys / "runs/nano/double/text").read_text() == "SEED 0 " * 4


def test_kill_between_manifest_and_rename_is_finished_by_the_next_build(toys):
    built(toys)
    run = toys / "runs/nano"
    (run / "double").rename(run / ".double.work")
    (run / ".double.work/resume").mkdir()
    (run / ".double.work" / KEY_FILE).write_text("any")
    (run / ".double.old").mkdir()
    assert built(toys)[1] == {"upper": True, "double": True}
    assert read_run(run).keys() == {"upper", "double"}
    assert sorted(path.name for path in (run / "double").iterdir()) == [MANIFEST, "text"]
    assert not (run / ".double.old").exists()


def test_kill_before_the_manifest_loses_no_work(toys, monkeypatch):
    def killed(directory, manifest):
        (directory / f"{MANIFEST}.partial").write_text("half of a")
        raise KeyboardInterrupt

    run_stage("upper", load_recipe("nano"), toys / "runs", Progress(quiet=True))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(build_module, "write_manifest", killed)
        built(toys)
    built(toys)
    assert (toys / "log").read_text() == "0 1 2 3 "
    assert [output.path for output in read_manifest(toys / "runs/nano/double").outputs] == ["text"]


def test_a_work_directory_removed_in_part_is_not_gone_on_with(toys, monkeypatch):
    work = toys / "runs/nano/.double.work"
    work.mkdir(parents=True)
    (work / KEY_FILE).write_text("another key")

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(build_module.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        build_module._prepare(work, "key")
    monkeypatch.undo()
    assert not (work / KEY_FILE).exists()


@pytest.mark.parametrize("damage", ["no manifest", "torn manifest", "missing output", "short output"])
def test_half_written_directories_are_named_and_never_touched(toys, damage):
    built(toys)
    directory = toys / "runs/nano/double"
    if damage == "no manifest":
        (directory / MANIFEST).unlink()
    elif damage == "torn manifest":
        (directory / MANIFEST).write_text((directory / MANIFEST).read_text()[:100])
    elif damage == "missing output":
        (directory / "text").unlink()
    else:
        (directory / "text").write_text("S")
    before = sorted(path.name for path in directory.iterdir())
    with pytest.raises(MidspanError) as caught:
        built(toys)
    assert "double" in str(caught.value)
    assert "remove" in str(caught.value)
    assert sorted(path.name for path in directory.iterdir()) == before


def test_a_stage_without_its_input_says_what_to_run(toys):
    with pytest.raises(MidspanError, match="run `midspan upper` first"):
        run_stage("double", load_recipe("nano"), toys / "runs", Progress(quiet=True))


def test_two_builds_of_one_run_do_not_mix(toys):
    with (
        build_module.locked(toys / "runs/nano"),
        pytest.raises(MidspanError, match="another process is building"),
    ):
        built(toys)


def test_runs_are_listed_and_found_by_name_or_path(toys):
    built(toys)
    runs = toys / "runs"
    assert run_names(runs) == ["nano"]
    assert run_directory("nano", runs) == run_directory(str(runs / "nano"), runs / "elsewhere")
    with pytest.raises(MidspanError, match="known runs: nano"):
        run_directory("nanno", runs)


def test_manifest_is_readable_by_other_programs(toys):
    built(toys)
    manifest = json.loads((toys / "runs/nano/upper" / MANIFEST).read_text())
    assert manifest["outputs"][0]["path"] == "text"
    assert manifest["metrics"] == {"tokens": 1}


def test_keys_depend_on_settings_code_and_inputs_only():
    stage, recipe = STAGES["data"], load_recipe("nano")
    key = key_of(stage, recipe, {"sources": "a"})
    assert key == key_of(stage, recipe.model_copy(update={"name": "other"}), {"sources": "a"})
    assert key != key_of(stage, recipe, {"sources": "b"})
    assert key != key_of(stage, load_recipe("nano", ("seed=1",)), {"sources": "a"})
