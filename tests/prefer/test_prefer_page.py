import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from case_samples import candidate, case
from hypothesis import given
from hypothesis import strategies as st

from midspan.prefer.page import LIMIT, sample, write_page
from midspan.prefer.pairs import Candidate, Pair

HOSTILE = '</pre></script><script>alert(1)</script><img src=x onerror="alert(2)">\' " & \x1b[31m \u202e'
ALLOWED = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "b", "i", "br", "span", "mark", "pre"}
ALLOWED |= {"form", "label", "select", "option", "output", "main", "article", "header", "div", "section", "script"}


class Read(HTMLParser):
    """What a browser makes of the page: tags with attributes, and the text outside script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.text, self.inside = [], "", ""
        self.raw = {"script": "", "style": ""}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside in self.raw:
            self.raw[self.inside] += data
        else:
            self.text += data


def page_of(pairs, cases, folder, judge="reference"):
    write_page(pairs, {one.id: one for one in cases}, judge, folder / "pairs.html")
    return (folder / "pairs.html").read_text()


@pytest.mark.parametrize("place", ["prefix", "suffix", "language", "project", "kind", "text", "reason", "failed"])
def test_hostile_text_stays_text(tmp_path, place):
    given = {place: HOSTILE} if place in ("prefix", "suffix", "language", "project", "kind") else {}
    side = Candidate(
        HOSTILE if place == "text" else "x",
        "sampled",
        True,
        0.2,
        0.1,
        HOSTILE if place == "failed" else "",
        HOSTILE if place == "reason" else "",
    )
    read = Read(page_of([Pair("c1", candidate("good", 0.9), side)], [case(**given)], tmp_path))
    assert {tag for tag, _ in read.tags} <= ALLOWED
    assert [tag for tag, _ in read.tags].count("script") == 1
    attributes = {name for _, attrs in read.tags for name in attrs}
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "href", "style")}
    assert "<script>alert(1)</script>" in read.text
    assert "alert" not in read.raw["script"] + read.raw["style"]


def test_control_characters_in_code_are_named(tmp_path):
    hidden = "a\x1b\u202e\tb\ud800"
    cases = [case(project=hidden, suffix=hidden, language=hidden)]
    page = page_of([Pair("c1", candidate(hidden, 0.9), candidate("c"))], cases, tmp_path)
    assert not {"\x1b", "\u202e"} & set(page)
    assert Read(page).text.count("\\u001b\\u202e\tb\\ud800") == 6  # header twice, filter, code three times


def test_the_policy_allows_this_script_and_style_and_nothing_else(tmp_path):
    page = page_of([Pair("c1", candidate("good", 0.9), candidate("bad"))], [case()], tmp_path)
    read = Read(page)
    [policy] = [attrs["content"] for tag, attrs in read.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    named = {
        what: base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for what, content in read.raw.items()
    }
    assert policy == (f"default-src 'none'; style-src 'sha256-{named['style']}'; script-src 'sha256-{named['script']}'")
    assert not re.search(r"https?:|url\(|@import", page)


def test_both_sides_stand_there_with_what_the_judge_said(tmp_path):
    chosen = Candidate("    return 1\n", "truth", True, 0.0, 1.0, "", "as it was")
    rejected = Candidate("    return 12345", "sampled", False, 0.8, 0.3, "stub", "far off")
    read = Read(page_of([Pair("c1", chosen, rejected)], [case()], tmp_path, "llm"))
    for words in ("judged by llm", "chosen: 1.00", "rejected: 0.00", "as it was", "far off", "fails the check “stub”"):
        assert words in read.text
    for words in ("truth, 8 characters", "sampled at 0.8, 12 characters", "… cut off", "MIT", "margin 1.00"):
        assert words in read.text
    assert "def area(radius):" in read.text
    assert "def volume(radius):" in read.text
    page = (tmp_path / "pairs.html").read_text()
    assert "    return 1<mark>\n</mark>" in page
    assert "    return 1<mark>2345</mark>" in page


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(1, 3)), max_size=60), st.data())
def test_the_sample_is_stratified_and_depends_on_the_pairs_alone(rows, data):
    cases = {f"c{n}": case(id=f"c{n}", language=row[0], kind=row[1]) for n, row in enumerate(rows)}
    pairs = [Pair(f"c{n}", candidate("x" * row[2], 0.9), candidate("yy")) for n, row in enumerate(rows)]
    limit = data.draw(st.integers(0, 40))
    taken = sample(pairs, cases, limit)
    assert len(taken) == min(limit, len(pairs))
    assert taken == [pair for pair in pairs if pair in taken]
    shuffled = data.draw(st.permutations(pairs))
    assert set(sample(shuffled, cases, limit)) == set(taken)

    def counts(some):
        return Counter((cases[pair.case_id].language, cases[pair.case_id].kind, pair.direction) for pair in some)

    held = counts(taken)
    most = max(held.values(), default=0)
    for stratum, number in counts(pairs).items():
        assert held[stratum] >= min(number, most - 1)


def test_the_page_is_not_longer_than_it_may_be(tmp_path):
    cases = [case(id=f"c{number}") for number in range(LIMIT + 20)]
    pairs = [Pair(one.id, candidate("good", 0.9), candidate("bad")) for one in cases]
    assert page_of(pairs, cases, tmp_path).count("<article ") == LIMIT
