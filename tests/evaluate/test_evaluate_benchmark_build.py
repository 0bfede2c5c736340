from collections import Counter
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from case_samples import document, module
from git_repository import DATES, commit, repository

from midspan.cli.main import run
from midspan.data.read import normal_digest
from midspan.data.sources import label
from midspan.data.sources.first_commits import first_commits
from midspan.errors import MidspanError
from midspan.evaluate.benchmark.build import build_benchmark
from midspan.evaluate.benchmark.format import read_benchmark
from midspan.evaluate.benchmark.unseen import newer, unseen
from midspan.recipe.benchmark import BenchmarkRecipe, load_benchmark_recipe
from midspan.recipe.progress import Progress
from midspan.recipe.schema import DataConfig
from midspan.recipe.sources import FolderSource, GitSource

MIT = "SPDX-License-Identifier: MIT"


def write(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def code(number):
    return "".join(f"value_{number}_{line} = compute_{line}({number}, 'number {number}')\n" for line in range(12))


def licensed(project, number):
    return f"# {MIT}\n{module(project, number)}"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    root = tmp_path_factory.mktemp("sources")
    for project in ("alpha", "beta"):
        write(root, {f"{project}/pkg/m{number}.py": licensed(project, number) for number in range(4)})
    write(root, {"closed/a.py": module("closed", 1), "alpha/copy.py": licensed("alpha", 1) + "\n# the same again\n"})
    return root


def build(out, *sources):
    recipe = BenchmarkRecipe(name="mine", cases_per_stratum=3, data=DataConfig(sources=sources))
    return build_benchmark(recipe, out, (), Progress(quiet=True))


def test_a_benchmark_of_real_files_is_the_same_bytes_again(tmp_path, sources, capsys):
    (tmp_path / "mine.toml").write_text(
        f'cases_per_stratum = 3\n[data]\nsources = [{{ kind = "folder", path = "{sources}", split = true }}]\n'
    )
    command = ["eval", "build", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "1")]
    assert run(command) == 0
    said = capsys.readouterr().out
    assert "block body" in said and "python" in said and "licence_unknown 1" in said
    second = build(tmp_path / "2", FolderSource(kind="folder", path=str(sources), split=True))
    for file in second.path.iterdir():
        assert file.read_bytes() == (tmp_path / "1" / file.name).read_bytes()
    first = read_benchmark(tmp_path / "1")
    assert first.cases == second.cases
    assert [name for name, _ in first.projects()] == ["alpha", "beta"]
    assert {case.licence for case in first.cases} == {"MIT"}
    assert first.manifest.removed_files["licence_unknown"] == first.manifest.removed_files["near_duplicate"] == 1
    assert run(command) == 2
    assert "is there already" in capsys.readouterr().err


def corpus_of(path, *documents):
    rows = [vars(one) | {"normal_sha256": normal_digest(one.text)} for one in documents]
    path.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), path / "corpus.parquet")
    return path


def test_what_training_saw_is_left_out(tmp_path):
    mine = [document("mine", f"m{number}.py", module("mine", number)) for number in range(12)]
    corpus = corpus_of(
        tmp_path / "data",
        document("theirs", "copied.py", mine[0].text.replace("\n", "\n\n")),
        document("theirs", "bundle.py", module("bundle", 1) + mine[1].text.replace("total", "summed", 3)),
        document("known", "other.py", module("known", 2)),
    )
    same_name = document("known", "new.py", module("new", 4))
    removed = Counter()
    kept = unseen([*mine, same_name], corpus, removed)
    assert kept == mine[2:]
    assert removed == {"in_training": 1, "near_in_training": 1, "project_in_training": 1}
    removed.clear()
    assert unseen(mine[:8], corpus, removed) == []
    assert removed == {"project_in_training": 8}


def test_a_licence_header_makes_no_near_duplicate(tmp_path):
    header = "".join(f"# Line {number} of a licence that everybody puts at the head.\n" for number in range(30))
    mine = [document("mine", f"m{number}.py", f"{header}\n{code(number)}") for number in range(12)]
    corpus = corpus_of(tmp_path / "data", document("theirs", "a.py", f"{header}\n{module('theirs', 1)}"))
    removed = Counter()
    assert unseen(mine, corpus, removed) == mine and not removed


def test_a_run_without_a_corpus_is_an_error(tmp_path):
    with pytest.raises(MidspanError, match="there is no corpus"):
        unseen([], tmp_path, Counter())


@pytest.fixture
def repository_with_a_past(tmp_path, monkeypatch):
    path = repository(tmp_path / "code")
    files = {f"m{number}.py": licensed("code", number) for number in range(4)}
    commit(path, {"old.py": files["m0.py"], "changed.py": files["m1.py"]})
    for name in DATES:
        monkeypatch.setitem(DATES, name, "2026-06-01T00:00:00Z")
    commit(path, {"old.py": None, "moved.py": files["m0.py"], "changed.py": files["m1.py"] + "x = 1\n"})
    commit(path, {"new.py": files["m2.py"]})
    return path


def test_files_are_as_old_as_their_first_commit(repository_with_a_past):
    source = GitSource(kind="git", url=str(repository_with_a_past))
    days = first_commits(source)
    assert days["moved.py"] == days["changed.py"] == date(2026, 1, 1)
    assert days["new.py"] == date(2026, 6, 1)
    asked = [document("code", path, "", source=label(source)) for path in ("changed.py", "moved.py", "new.py")]
    removed = Counter()
    assert newer(asked, [source], date(2026, 3, 1), removed) == asked[2:]
    assert removed == {"older": 2}
    undated = [document("package", "a.py", "")]
    assert newer(undated, [source], date(2026, 3, 1), removed) == undated


def test_a_source_that_cannot_be_had_is_an_error_and_nothing_is_written(tmp_path, sources):
    missing = [FolderSource(kind="folder", path=f"/nowhere/{name}") for name in ("one", "two")]
    with pytest.raises(MidspanError, match=r"(?s)folder:/nowhere/one.*folder:/nowhere/two"):
        build(tmp_path / "b", FolderSource(kind="folder", path=str(sources)), *missing)
    assert not (tmp_path / "b").exists()


def test_nothing_to_ask_about_is_an_error(tmp_path):
    write(tmp_path / "closed", {"a.py": module("closed", 1)})
    with pytest.raises(MidspanError, match=r"no place to complete \(licence_unknown 1\)"):
        build(tmp_path / "b", FolderSource(kind="folder", path=str(tmp_path / "closed")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no benchmark recipe"),
        ("seed = ", "not valid TOML"),
        ("[data]\n\ncases = 3\n", "bad.toml:3: data.cases: unknown key"),
        ("cases_per_file = 0\n[data]\n", "bad.toml:1: cases_per_file"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said_with_its_line(tmp_path, text, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(MidspanError, match=message):
        load_benchmark_recipe("bad.toml")


def test_the_recipe_that_comes_along_names_every_package_with_its_hash():
    packages = load_benchmark_recipe("packages").data.sources
    assert len({(package.registry, package.name) for package in packages}) == len(packages) >= 20
    assert {package.registry for package in packages} == {"npm", "pypi"}
