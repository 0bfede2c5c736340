import json

import pytest
from git_repository import commit, git, repository
from test_data_licence import MIT
from test_data_stage import TRAIN, code, write

from midspan.data.corpus import commits
from midspan.data.sources import fingerprint
from midspan.data.sources.commits import says_something
from midspan.data.stage import run
from midspan.recipe.progress import Progress
from midspan.recipe.schema import DataConfig, DpoConfig, PretrainConfig, Recipe, SftConfig
from midspan.recipe.sources import CommitsSource, FolderSource
from midspan.recipe.stage import StageContext


def build(tmp_path, *urls, guard=None, **settings):
    for project in "abc":
        write(tmp_path / "code" / project, {"LICENSE": MIT, "a.py": code(project)})
    sources = (
        FolderSource(kind="folder", path=str(tmp_path / "code"), split=True),
        *(CommitsSource(kind="commits", url=str(url), **settings) for url in urls),
    )
    recipe = Recipe(
        name="test",
        data=DataConfig(sources=sources, guard=guard or {}),
        pretrain=PretrainConfig(**TRAIN),
        sft=SftConfig(**TRAIN),
        dpo=DpoConfig(**TRAIN),
    )
    work = tmp_path / "data"
    work.mkdir(exist_ok=True)
    run(StageContext(recipe, {}, work, Progress(quiet=True)))
    return work, json.loads((work / "report.json").read_text())


@pytest.fixture
def history(tmp_path):
    folder = repository(tmp_path / "history")
    base = code("base")
    commit(
        folder, {"LICENSE": MIT, "a.py": base, "b.py": code("b"), "gpl/COPYING": "no", "gpl/c.py": code("c")}, "Begin"
    )
    fixed = base + '\nOWNER = "jane@company.org"\n'
    wanted = commit(folder, {"a.py": fixed}, "Fix the owner of everything\n\nAsk jane@company.org about it.")
    commit(folder, {"a.py": fixed + "x = 1\n", "b.py": "y = 2\n" + code("b")}, "Change two files in one commit")
    commit(folder, {"b.py": code("new b")}, "wip")
    commit(folder, {"gpl/c.py": code("d")}, "Rewrite the part that is not ours")
    commit(folder, {"a.py": fixed + "x  = 1\n\n\n"}, "Space things out a little more")
    commit(folder, {"picture.png": b"\x89PNG\0"}, "Add a picture of the whole thing")
    commit(folder, {"a.py": fixed + "\0"}, "Add something that is no text")
    commit(folder, {"a.py": base}, "Go back to the first version of it")
    git(folder, "checkout", "--quiet", "-b", "side")
    commit(folder, {"a.py": fixed}, "Fix the owner of everything once more")
    commit(folder, {"a.py": base}, "Go back to where this once began")
    again = commit(folder, {"a.py": fixed}, "Fix the owner of everything a third time")
    return folder, wanted, again


def test_changes_of_one_file_with_a_message(history, tmp_path):
    folder, _, again = history
    work, report = build(tmp_path, folder)
    found = list(commits(work, "train"))
    assert [each.path for each in found] == ["a.py", "a.py"]
    newest = found[0]
    assert newest.revision == again and newest.message == "Fix the owner of everything a third time"
    assert newest.before == code("base")
    assert "jane@" not in newest.after and newest.after.startswith(code("base"))
    assert (newest.project, newest.licence, newest.split) == ("history", "MIT", "train")
    assert newest.source == f"commits:{folder}"
    counts = report["commits"]
    assert counts["kept"] == 2
    assert counts["not_one_file"] == 2 and counts["message"] == 1 and counts["licence_unknown"] == 1
    assert counts["no_change_of_text"] == 1 and counts["binary"] == 2 and counts["exact_duplicate"] == 2
    assert list(commits(work, "valid")) == []
    assert not any(project == "history" for project in report["projects"])


def test_one_value_has_one_placeholder_in_all_of_a_pair(history, tmp_path):
    folder, wanted, _ = history
    git(folder, "checkout", "--quiet", wanted)
    work, _ = build(tmp_path, folder)
    (pair,) = commits(work, "train")
    assert pair.revision == wanted
    assert "jane@" not in pair.message + pair.after
    placeholder = pair.message.split()[-3]
    assert placeholder in pair.after


def test_as_many_as_asked_for_and_broken_ones_do_not_hold_up(history, tmp_path):
    folder = history[0]
    work, report = build(tmp_path, folder, tmp_path / "nowhere", commits=1)
    assert len(list(commits(work, "train"))) == 1
    assert [each["source"] for each in report["broken"]] == [f"commits:{tmp_path}/nowhere"]


def test_pairs_that_hold_a_benchmark_are_left_out(history, tmp_path):
    row = {"task_id": "t/0", "prompt": "", "canonical_solution": code("base"), "entry_point": "f", "test": ""}
    (tmp_path / "bench.jsonl").write_text(json.dumps(row) + "\n")
    work, report = build(tmp_path, history[0], guard={"benchmarks": [str(tmp_path / "bench.jsonl")]})
    assert list(commits(work, "train")) == []
    assert report["commits"]["benchmark"] > 0


def test_the_fingerprint_follows_the_history(history):
    folder = history[0]
    sources = (CommitsSource(kind="commits", url=str(folder)),)
    before = fingerprint(sources)
    commit(folder, {}, "Nothing at all")
    assert fingerprint(sources) != before


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Fix the parser of dates", True),
        ("Fix parser", False),
        ("a b c d", False),
        ("Merge branch main into something", False),
        ("Bump numpy from 1 to 2", False),
        ("Update README.md", False),
        ("Add files via upload to it", False),
        ("word " * 300, False),
    ],
)
def test_messages(message, expected):
    assert says_something(message) is expected
