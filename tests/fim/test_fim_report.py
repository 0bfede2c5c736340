"""The report on drawn kinds: its figures add up and say what files do not allow."""

import pytest

from midspan.errors import MidspanError
from midspan.fim.report import QUANTILES, cut_report
from midspan.recipe.schema import CutWeights, FimConfig

WITH_BLOCKS = (
    "def f(x):\n    y = g(x, 1)\n    return y + 1\n\n\nclass A:\n    def h(self, value):\n        return value\n"
)
WITHOUT_BLOCKS = "import os\nimport sys\nname = os.path.join(sys.prefix, 'lib')\n"


def test_figures_add_up():
    report = cut_report(
        [("a.py", WITH_BLOCKS), ("b.py", WITHOUT_BLOCKS), ("c.py", ""), ("d.xyz", "one\n  two\n")], FimConfig(), 10, 0
    )
    assert (report.all.files, report.all.uncut) == (4, 1)
    assert report.all.files == report.whole.files + report.partial.files == sum(each.files for each in report.languages)
    assert report.all.splits == 30
    for group in (report.all, report.whole, report.partial):
        for shares in (group.starts, group.ends):
            for figure in ("asked", "attainable", "drawn"):
                assert sum(getattr(share, figure) for share in shares) == pytest.approx(1)
        assert sum(group.units.values()) == pytest.approx(1)
        assert len(group.chars) == len(group.lines) == len(QUANTILES)
    assert [each.name for each in report.languages] == ["python", "(by indentation)"]
    assert report.all.chars == tuple(sorted(report.all.chars))


def test_a_file_of_single_letters_cannot_be_cut_inside_words_and_the_report_says_so():
    report = cut_report([("b.py", "a = b + c\nd = a(1, 2)\n")], FimConfig(), 50, 0)
    start = report.all.starts[3]
    assert (start.kind, start.asked, start.attainable, start.drawn) == ("token_middle", 0.2, 0, 0)
    assert start.difference == pytest.approx(-20)
    assert report.whole.files == 0
    assert report.partial.files == 1
    assert report.all.largest_difference >= 20
    assert report.all.largest_miss < 15


def test_kinds_without_weight_are_neither_asked_nor_drawn():
    starts = CutWeights(block_boundary=0, line_start=0, line_middle=2, token_middle=2)
    report = cut_report([("a.py", WITH_BLOCKS)], FimConfig(start=starts), 50, 0)
    assert [share.asked for share in report.all.starts] == [0, 0, 0.5, 0.5]
    assert [share.drawn for share in report.all.starts[:2]] == [0, 0]


def test_the_report_is_the_same_for_the_same_seed_only():
    files = [("a.py", WITH_BLOCKS)]
    assert cut_report(files, FimConfig(), 20, 1) == cut_report(files, FimConfig(), 20, 1)
    assert cut_report(files, FimConfig(), 20, 1) != cut_report(files, FimConfig(), 20, 2)


def test_weights_that_are_all_zero_are_refused():
    zero = CutWeights(block_boundary=0, line_start=0, line_middle=0, token_middle=0)
    with pytest.raises(MidspanError, match=r"fim\.start"):
        cut_report([("a.py", WITH_BLOCKS)], FimConfig(start=zero), 1, 0)
