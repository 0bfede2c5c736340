import json

import pytest
from case_samples import corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan.data.cases import case_of, draw_cases, with_projects
from midspan.data.corpus import Document
from midspan.errors import MidspanError
from midspan.evaluate.benchmark.format import CASES_FILE, MANIFEST_FILE, VERSION, read_benchmark, write_benchmark
from midspan.fim.split import Split
from midspan.recipe.schema import FimConfig


def write(path, cases=None, projects=None):
    projects = corpus() if projects is None else projects
    cases = draw_cases(lambda: projects, 20, FimConfig(), 0) if cases is None else cases
    documents = [document for _, files in projects for document in files]
    about = {
        "name": "b",
        "seed": 0,
        "recipe": {"a": 1},
        "removed_files": {"too_large": 2},
        "removed_cases": {"short": 3},
    }
    return write_benchmark(path, cases, documents, **about)


def test_what_was_written_is_read(tmp_path):
    written = write(tmp_path / "b")
    found = read_benchmark(tmp_path / "b")
    assert found == written
    assert len(found.cases) == found.manifest.cases == 20
    assert sum(count for kinds in found.manifest.strata.values() for count in kinds.values()) == 20
    assert [name for name, _ in found.projects()] == [f"test{number}" for number in range(4)]
    for case, project in dict(with_projects(found.cases, found.projects)).values():
        assert project.files[case.path].text == case.prefix + case.middle + case.suffix


def test_the_same_cases_are_the_same_bytes(tmp_path):
    first, second = write(tmp_path / "1" / "b"), write(tmp_path / "2" / "b")
    for file in first.path.iterdir():
        assert file.read_bytes() == (second.path / file.name).read_bytes()


@settings(max_examples=30)
@given(st.text(st.characters(codec="utf-8"), min_size=1), st.data())
def test_any_text_is_cut_where_it_was(tmp_path_factory, text, data):
    start, end = sorted(data.draw(st.integers(0, len(text))) for _ in range(2))
    document = Document("p", "a.py", "python", text, "MIT", "here", "0", "test", revision="1.0")
    case = case_of(document, Split(text[:start], text[start:end], text[end:], "line_start", "line_start", "line"))
    path = tmp_path_factory.mktemp("any") / "b"
    write(path, [case], [("p", [document])])
    assert read_benchmark(path).cases == [case]


@pytest.mark.parametrize("file", [CASES_FILE, "corpus.parquet"])
def test_a_damaged_file_is_refused(tmp_path, file):
    path = write(tmp_path / "b").path
    content = bytearray((path / file).read_bytes())
    content[len(content) // 2] ^= 1
    (path / file).write_bytes(content)
    with pytest.raises(MidspanError, match=f"{file} is not what the benchmark was written with"):
        read_benchmark(path)
    (path / file).unlink()
    with pytest.raises(MidspanError, match=f"cannot read .*{file}"):
        read_benchmark(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": VERSION + 1}, f"of version {VERSION + 1}; this Midspan reads versions up to {VERSION}"),
        ({"format": "other"}, "is of something else"),
        ({"cases": "many"}, "is damaged: cases"),
        ({"unheard": 1}, "is damaged: unheard"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_one_clear_error(tmp_path, change, message):
    file = write(tmp_path / "b").path / MANIFEST_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(MidspanError, match=message):
        read_benchmark(file.parent)


@pytest.mark.parametrize("content", [None, b"{", b"\xff", b"[]"])
def test_what_is_no_benchmark_is_said_to_be_none(tmp_path, content):
    if content is not None:
        (tmp_path / MANIFEST_FILE).write_bytes(content)
    with pytest.raises(MidspanError, match=r"is no benchmark|cannot read"):
        read_benchmark(tmp_path)


def test_a_benchmark_is_never_written_over(tmp_path):
    path = write(tmp_path / "b").path
    with pytest.raises(MidspanError, match="is there already"):
        write(path)
