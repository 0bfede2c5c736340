"""The page of training curves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.cli.main import run
from midspan.errors import MidspanError
from midspan.train.report import averaged, read_log, write_training_report

STEPS = [
    {"step": n, "loss": 5 - n / 100, "lr": 0.001, "grad_norm": 1.0, "tokens": n * 8, "tokens_per_second": 50.0}
    for n in range(1, 701)
]


@pytest.fixture
def trained(tmp_path):
    """A finished stage, and one at work whose log is being written."""
    for folder, stage in (("pretrain", "base"), (".dpo.work", "dpo")):
        (tmp_path / "runs/r" / folder).mkdir(parents=True)
        rows = [{"step": 0, "valid_bits_per_byte": 2.0}, *STEPS]
        rows += [{"step": 700, "valid_bits_per_byte": 1.25}]
        if stage == "dpo":
            rows += [{"step": 700, "margin": 0.5, "stopped_by": "max_kl", "stopped_at": 700}]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "runs/r" / folder / "metrics.jsonl").write_text(lines + '{"step": 7')
    return tmp_path


def test_every_stage_that_has_begun_is_shown(trained, capsys):
    assert run(["report", "r", "--runs", str(trained / "runs")]) == 0
    page = (trained / "runs/r/training.html").read_text()
    assert capsys.readouterr().out.strip() == str(trained / "runs/r/training.html")
    assert '<h2 id="pretrain">' in page and '<h2 id="dpo">' in page and '<h2 id="sft">' not in page
    assert "2.000 → 1.250" in page and "max_kl at step 700" in page
    assert page.count("Held-out projects, bits per byte</h3>") == 2 and page.count("Reward margin</h3>") == 1
    assert "<script" not in page and "http://" not in page.replace("http://www.w3.org", "")


def test_a_line_that_is_being_written_is_left_out(trained):
    rows = read_log(trained / "runs/r/pretrain/metrics.jsonl")
    assert len(rows) == 702 and rows[-1]["valid_bits_per_byte"] == 1.25


def test_without_training_there_is_no_page(tmp_path):
    with pytest.raises(MidspanError, match="no training on record"):
        write_training_report("r", {"pretrain": tmp_path}, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=500), st.integers(1, 50))
def test_averages_keep_the_order_and_the_range(values, points):
    steps, means = averaged(range(len(values)), values, points)
    assert len(steps) == len(means) <= points and steps == sorted(steps)
    assert min(values) - 1e-6 <= min(means) and max(means) <= max(values) + 1e-6
    if len(values) <= points:
        assert means == pytest.approx(values)
