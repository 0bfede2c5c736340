"""Calibration: numbers that were put in come out, and it helps on cases it was not fitted on."""

import json
import math
import random

import numpy as np
import pytest
from typer.testing import CliRunner

from midspan.cli.main import app
from midspan.engine.calibration import Calibration, calibration_path, read_calibration
from midspan.errors import MidspanError
from midspan.evaluate.calibrate import Outcome, calibrate, expected_error, fit, halves, is_right

WEIGHTS, BIAS = (3.0, 0.2, 0.5, -0.4, 1.0, 0.0), 0.5


def drawn(count: int, seed: int, shift: float = 0.0, language: str = "python") -> list[Outcome]:
    """Suggestions that are right as often as a known calibration says; the model itself claims too much."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        mean = -rng.expovariate(1.0)
        figures = (
            mean,
            mean * rng.uniform(1, 4),
            mean * rng.uniform(0, 2),
            rng.uniform(0, 4),
            rng.choice((0.0, 1.0)),
            0.0,
        )
        chance = Calibration(weights=WEIGHTS, bias=BIAS + shift).probability(figures, language)
        found.append(Outcome(f"p{number % 20}", language, figures, math.exp(mean) ** 0.2, rng.random() < chance))
    return found


def test_known_probabilities_are_found_again():
    fitted = fit(drawn(6_000, 0))
    fresh = drawn(300, 1)
    truth = Calibration(weights=WEIGHTS, bias=BIAS)
    for outcome in fresh:
        ours, theirs = (each.probability(outcome.figures, "python") for each in (fitted, truth))
        assert abs(ours - theirs) < 0.08


def test_a_language_with_cases_has_numbers_of_its_own_and_others_fall_back():
    found = drawn(1_500, 2) + drawn(1_500, 3, shift=-3.0, language="java") + drawn(20, 4, language="lua")
    fitted = fit(found)
    assert set(fitted.languages) == {"python", "java"}
    figures = (-0.2, -0.4, -0.2, 1.0, 1.0, 0.0)
    assert (
        fitted.probability(figures, "java") < fitted.probability(figures, "lua") < fitted.probability(figures, "python")
    )


def test_the_error_falls_on_the_other_half_and_halves_share_no_project():
    calibration = calibrate(drawn(1_000, 5))
    assert calibration.error_after < 0.5 * calibration.error_before
    assert calibration.cases + calibration.held_out == 1_000
    one, other = halves(drawn(300, 6))
    assert not {outcome.project for outcome in one} & {outcome.project for outcome in other}
    assert calibrate(drawn(1_000, 5)) == calibration


def test_nothing_right_is_an_error():
    found = [Outcome(f"p{number}", "", (-1.0,) * 6, 0.5, False) for number in range(10)]
    with pytest.raises(MidspanError, match="nothing to calibrate on"):
        calibrate(found)


def test_expected_error():
    assert expected_error([0.8] * 10, [True] * 8 + [False] * 2) == pytest.approx(0.0)
    assert expected_error([1.0, 0.0], [False, False]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("suggestion", "right"),
    [
        ("a = 1", True),
        ("a = 1\n    b = 2", True),
        (" a = 1\n", True),
        ("a =", False),
        ("b = 2", False),
        ("a = 1\nb", False),
    ],
)
def test_right_is_whole_lines_from_the_start(suggestion, right):
    assert is_right(suggestion, "a = 1\n    b = 2") == right


def test_files_are_found_beside_the_model_and_bad_ones_refused(tmp_path):
    calibration = calibrate(drawn(1_000, 5))
    stage, alone = tmp_path / "export", tmp_path / "some.gguf"
    stage.mkdir()
    (stage / "manifest.json").write_text("{}")
    assert calibration_path(stage / "model-f16.gguf") == stage / "calibration.json"
    assert calibration_path(stage) == stage / "calibration.json"
    assert calibration_path(alone) == tmp_path / "some.calibration.json"
    assert read_calibration(alone) is None
    calibration_path(alone).write_text(calibration.model_dump_json())
    assert read_calibration(alone) == calibration
    values = json.loads(calibration.model_dump_json()) | {"figures": ["other"]}
    calibration_path(alone).write_text(json.dumps(values))
    with pytest.raises(MidspanError, match="another version"):
        read_calibration(alone)
    calibration_path(alone).write_text("{")
    with pytest.raises(MidspanError, match="no calibration"):
        read_calibration(alone)


def test_command_wants_a_corpus(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    result = CliRunner().invoke(app, ["calibrate", str(tmp_path / "m.gguf")])
    assert isinstance(result.exception, MidspanError)
    assert "--corpus" in str(result.exception.hint)


def test_separable_outcomes_stay_finite():
    found = [Outcome(f"p{n}", "python", (-0.1 if n % 2 else -5.0,) + (0.0,) * 5, 0.5, bool(n % 2)) for n in range(200)]
    assert np.isfinite(fit(found).weights).all()
