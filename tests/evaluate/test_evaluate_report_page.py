import base64
import gzip
import json
import re
from html.parser import HTMLParser

import pytest
from case_samples import MIDDLE, case

from midspan.evaluate.answers import Answer
from midspan.evaluate.report_page import CHUNK, write_page
from midspan.evaluate.run import scored
from midspan.page import source_hash

EVIL = "</script><script>alert(1)</script>\u202e <!-- &amp;"
CASES = [
    case(id=str(number), project=f"p{number % 3}", language="python" if number % 2 else "ruby", middle=MIDDLE + EVIL)
    for number in range(2 * CHUNK + 5)
]


def predictions(text, confidence):
    return scored(CASES, [Answer(text + EVIL, 0, "", "end", 90, 0, 9, 40, 12.0, -1.0, confidence, EVIL) for _ in CASES])


class Page(HTMLParser):
    """The scripts of a page by type, and its text."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self._type, self.text, self.addresses = {}, None, "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href") and value[:1] != "#"]
        self._type = dict(attributes).get("type", "") if tag == "script" else None

    def handle_endtag(self, tag):
        self._type = None

    def handle_data(self, data):
        if self._type is None:
            self.text += data
        else:
            self.scripts.setdefault(self._type, []).append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A page that compares: it holds all that others hold, and the changes."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    systems = {"one <b>": predictions(MIDDLE, 0.9), "two $x$": predictions("x = 1\n", None)}
    write_page(path, "Results <i>", CASES, systems, 0, compared=True)
    return path.read_text(), Page(path.read_text())


def test_the_page_holds_every_case_and_loads_nothing(written):
    text, page = written
    index = json.loads(page.scripts["application/json"][0])
    assert (index["systems"], index["compared"]) == (["one <b>", "two $x$"], True)
    assert len(index["cases"]) == len(CASES)
    details = [
        detail
        for chunk in page.scripts["text/plain"]
        for detail in json.loads(gzip.decompress(base64.b64decode(chunk)))
    ]
    assert [detail["id"] for detail in details] == [case.id for case in CASES]
    assert page.addresses == []
    for heading in ("Figures", "Changes", "Where", "Confidence", "Latency", "KK and the others", "Cases"):
        assert heading in page.text
    assert "two $x$ against one <b>" in page.text
    assert "two $x$</text>" in text  # in the plots too, not as a formula


def test_code_stays_text_and_only_our_script_may_run(written):
    text, page = written
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    [script] = page.scripts[""]
    assert f"script-src {source_hash(script)}" in policy and "default-src 'none'" in policy
    assert "alert(1)" not in text.replace("\\u003c/script>\\u003cscript>alert(1)", "")
    assert "\u202e" not in text and "\\\\u202e" in text
