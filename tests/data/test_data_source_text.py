import bz2
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.data.drops import Drops
from midspan.data.listing import list_candidates
from midspan.data.opt_out import OptOut
from midspan.data.sources import fingerprint, list_projects, wikitext
from midspan.data.sources.contents import read_contents
from midspan.data.sources.project import Broken
from midspan.data.sources.wikitext import articles, to_prose
from midspan.errors import MidspanError
from midspan.recipe.schema import DataConfig
from midspan.recipe.sources import TextSource

DUMP = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/">
<siteinfo><base>https://simple.example.org/wiki/Main_Page</base></siteinfo>
<page><title>Apple</title><ns>0</ns><id>1</id><revision><id>7</id><text bytes="9">'''Apples''' are [[fruit|fruits]].
</text></revision></page>
<page><title>Apples</title><ns>0</ns><redirect title="Apple"/><revision><text>#REDIRECT</text></revision></page>
<page><title>Talk:Apple</title><ns>1</ns><revision><text>I like them</text></revision></page>
<page><title>Empty</title><ns>0</ns><revision><text>{{stub}}</text></revision></page>
<page><title>AC/DC</title><ns>0</ns><revision><text>A band &amp;amp; more.</text></revision></page>
</mediawiki>"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "text"


def source(path, **settings):
    return TextSource(kind="text", path=str(path), licence="CC-BY-SA-4.0", **{"projects": 1} | settings)


def texts(*sources):
    found = {}
    for project in list_projects(sources):
        contents = read_contents([(file.location, file.bytes) for file in project.files])
        found |= {file.path: content.decode() for file, content in zip(project.files, contents, strict=True)}
    return found


@pytest.mark.parametrize(
    ("markup", "prose"),
    [
        ("'''Bold''' and ''italic''", "Bold and italic\n"),
        ("A [[link]], [[target|label]], [[:File:Seen.png|seen]]", "A link, label, seen\n"),
        ("[[File:A.jpg|thumb|with a [[link]] inside]]Text[[Category:Things]][[fr:Chose]]", "Text\n"),
        ("{{Infobox|a={{nested|b}}|c=[[d]]}}After", "After\n"),
        ("{|\n! table\n|-\n| {{x|y|}}\n|}\nAfter", "After\n"),
        ("One.<ref>source</ref> Two.<ref name=x /> Three.", "One. Two. Three.\n"),
        ("See [https://example.org the site] or [https://example.org].", "See the site or .\n"),
        ("a<!-- never\nseen -->b &lt;c&gt;<br/>d __TOC__", "ab <c>\nd\n"),
        ("* one\n* two\n: indented", "- one\n- two\nindented\n"),
        ("Text\n== Part ==\n=== Section ===\nMore\n== References ==\n{{reflist}}", "Text\n\nSection\n\nMore\n"),
        ("never {{closed", "never {{closed\n"),
        ("never }} opened ]]", "never }} opened ]]\n"),
        ("<math>x^2</math>", ""),
        ("{{only|a template}}", ""),
    ],
)
def test_wikitext_becomes_prose(markup, prose):
    assert to_prose(markup) == prose


@given(st.text(alphabet="{}[]|<>'=*#!-&; \nabref/", max_size=300))
def test_any_markup_is_survived_and_prose_stays(markup):
    assert to_prose(markup).endswith("\n") or to_prose(markup) == ""
    assert "kept words" in to_prose(f"kept words\n\n{markup}")


def test_markup_made_to_be_slow_is_not():
    for piece in ("{{", "[[a|", "<ref>", "<!--", "''", "== ", "[http://", "<br", "&amp;", "{|", "</ref><ref>", "[[a|b"):
        to_prose(piece * 50_000 + "]]" * 50_000)


@pytest.mark.parametrize("suffix", [".xml", ".xml.bz2"])
def test_a_dump(tmp_path, suffix, cache):
    path = tmp_path / f"wiki-pages-articles{suffix}"
    path.write_bytes(DUMP.encode() if suffix == ".xml" else bz2.compress(DUMP.encode()))
    assert texts(source(path)) == {"Apple": "Apples are fruits.\n", "AC/DC": "A band & more.\n"}
    (converted,) = cache.iterdir()
    made = converted.stat().st_mtime_ns
    before = fingerprint([source(path)])
    assert texts(source(path)) and converted.stat().st_mtime_ns == made
    path.write_bytes(path.read_bytes() + b"\n" if suffix == ".xml" else bz2.compress(DUMP.encode() + b"\n"))
    assert texts(source(path)) and fingerprint([source(path)]) != before
    assert len(list(cache.iterdir())) == 1


def test_dumps_that_are_none(tmp_path, monkeypatch):
    for content in (b"<mediawiki><page>", b"not xml", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>" * 2):
        with pytest.raises(MidspanError, match="not the XML"):
            list(articles(io.BytesIO(content)))
    monkeypatch.setattr(wikitext, "MAX_PAGE", 5_000_000)
    with pytest.raises(MidspanError, match="a page of more than"):
        list(articles(io.BytesIO(b"<m><page><text>" + b"x" * 10_000_000)))
    path = tmp_path / "cut.xml.bz2"
    path.write_bytes(bz2.compress(DUMP.encode())[:-20])
    (tmp_path / "a.txt").write_text("fine")
    broken, project = list_projects([source(tmp_path)])
    assert isinstance(broken, Broken) and broken.source == "text:cut.xml.bz2" and "damaged" in broken.reason
    assert [file.path for file in project.files] == ["a.txt"]


def test_folders_of_plain_text(tmp_path):
    folder = tmp_path / "books"
    for path, text in {"a.txt": "A.", "more/b.md": "B.", "c.py": "no", ".hidden.txt": "no"}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "link.txt").symlink_to(folder / "a.txt")
    assert texts(source(folder)) == {"a.txt": "A.", "more/b.md": "B."}
    assert texts(source(folder / "*.txt")) == {"a.txt": "A."}


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_lines_of_json(tmp_path, suffix):
    lines = [json.dumps({"body": "one é"}), "{", json.dumps({"other": 1}), json.dumps({"body": 3}), '"x"', ""]
    lines += [json.dumps({"body": "\ud800"}), json.dumps({"body": "two"})]
    data = "\n".join(lines).encode()
    path = tmp_path / f"lines{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    assert texts(source(path, column="body")) == {"1": "one é", "8": "two"}
    (project,) = list_projects([source(path, column="body")])
    assert project.skipped == {"not_json_with_text": 6}


def test_parquet_with_a_column_of_text(tmp_path):
    pq.write_table(pa.table({"body": ["one", None, "two"]}), tmp_path / "a.parquet", row_group_size=2)
    assert texts(source(tmp_path, column="body")) == {"a.parquet/0": "one", "a.parquet/1": "two"}
    assert isinstance(next(list_projects([source(tmp_path)])), Broken)


def test_documents_are_divided_and_carry_the_licence_of_the_recipe(tmp_path):
    for number in range(40):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")
    four = source(tmp_path, projects=4, name="notes", url="https://example.org/notes")
    config = DataConfig(sources=(four,), languages=("python",))
    listing = list_candidates(config, OptOut(), Drops())
    assert sorted(listing.projects) == ["notes-0", "notes-1", "notes-2", "notes-3"]
    assert len(listing.candidates) == 40
    assert {(each.language, each.licence, each.licence_evidence, each.url) for each in listing.candidates} == {
        ("text", "CC-BY-SA-4.0", "recipe", "https://example.org/notes")
    }
