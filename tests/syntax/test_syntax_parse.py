import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syntax_samples import SAMPLES

from midspan.syntax.brackets import _tokens
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.parse import STEP, parse, parse_around, tree_error_count

ROUNDS = 6
"""How often a sample follows itself: it is to be longer than a beginning that is kept."""


@pytest.mark.parametrize("name", sorted(LANGUAGES))
@settings(max_examples=12)
@given(data=st.data())
def test_a_tree_made_from_that_of_a_beginning_is_that_of_the_whole(name, data):
    language = LANGUAGES[name]
    text = (SAMPLES[name].text * ROUNDS).encode()
    caret = data.draw(st.integers(0, len(text)), "caret")
    gap = data.draw(st.sampled_from((0, 1, 40, 400)), "left out behind the caret")
    before, behind = text[:caret], text[caret + gap :] if data.draw(st.booleans(), "with what follows") else b""
    made, whole = parse_around(before, behind, language), parse(before + behind, language)
    assert tree_error_count(made) == tree_error_count(whole)
    start = max(0, caret - 2 * STEP)
    assert _tokens(made, before + behind, language, start) == _tokens(whole, before + behind, language, start)


CUT_ANYWHERE = """
import sys
from syntax_samples import SAMPLES
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.parse import parse
for text in ("val h\\n@", "val h\\n@A", "val h\\n@A(x)", "val h\\n@a:", "val h = 1\\n  @file"):
    parse(text.encode(), LANGUAGES["kotlin"])
for name, sample in SAMPLES.items():
    source = sample.text.encode()
    for end in range(0, len(source), max(1, len(source) // 150)):
        parse(source[:end], LANGUAGES[name])
"""


def test_every_text_has_an_end_for_the_parser():
    path = os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])
    subprocess.run([sys.executable, "-c", CUT_ANYWHERE], env=os.environ | {"PYTHONPATH": path}, timeout=120, check=True)
