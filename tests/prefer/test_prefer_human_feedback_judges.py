"""The judges that people make: labels of a review, and feedback from editors."""

import asyncio
import json

import pytest
from case_samples import case, module
from hypothesis import given
from hypothesis import strategies as st

from midspan.errors import MidspanError
from midspan.model.tokenizer import train_tokenizer
from midspan.prefer.candidates import judge_all
from midspan.prefer.judges.feedback import FeedbackJudge, feedback_samples, read_feedback
from midspan.prefer.judges.human import SKIP, TIE, HumanJudge, Labels, pair_name, text_name
from midspan.prefer.pairs import make_pairs
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.progress import Progress
from midspan.recipe.schema import PromptConfig


def verdicts(judge, where, *texts):
    return asyncio.run(judge.judge(where, texts))


def test_labels_survive_and_a_torn_line_is_dropped(tmp_path):
    path = tmp_path / "labels.jsonl"
    labels = Labels(path)
    labels.add("c1", ("a", "b"), text_name("b"))
    labels.add("c1", ("a", "c"), TIE)
    path.write_bytes(path.read_bytes() + b'{"pair": "x", "sho')
    again = Labels(path)
    assert again.by_pair == labels.by_pair
    again.add("c2", ("a", "b"), SKIP)
    assert [label.side for label in Labels(path).by_pair.values()] == [-1, 0, 0]
    assert pair_name("c1", ("a", "b")) == pair_name("c1", ("b", "a")) != pair_name("c2", ("a", "b"))


def test_a_broken_line_is_named_and_nothing_is_lost(tmp_path):
    path = tmp_path / "labels.jsonl"
    Labels(path).add("c1", ("a", "b"), TIE)
    before = path.read_bytes()
    path.write_bytes(b'{"pair": 1}\n' + before)
    with pytest.raises(MidspanError, match=r"labels\.jsonl:1: "):
        Labels(path)
    assert path.read_bytes() == b'{"pair": 1}\n' + before


@given(st.lists(st.one_of(st.none(), st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"))), max_size=12))
def test_taking_back_is_the_inverse_of_a_new_label(tmp_path_factory, actions):
    path = tmp_path_factory.mktemp("labels") / "labels.jsonl"
    labels, expected = Labels(path), {}
    for action in actions:
        if action is None:
            undone = labels.undo()
            assert (undone is None) == (not expected)
            if undone:
                assert undone.pair == list(expected)[-1]
                del expected[undone.pair]
        elif pair_name("c", action) not in expected:
            expected[labels.add("c", action, TIE).pair] = True
    assert list(Labels(path).by_pair) == list(expected)


def test_the_human_judge_scores_what_was_compared(tmp_path):
    labels = Labels(tmp_path / "labels.jsonl")
    labels.add("c1", ("good", "bad"), text_name("good"))
    labels.add("c1", ("bad", "skipped"), SKIP)
    labels.add("c1", ("good", "gone"), text_name("gone"))
    good, bad, skipped = verdicts(HumanJudge(labels), case(), "good", "bad", "skipped")
    assert good.score > 0.6 > 0.4 > bad.score
    assert skipped is None
    assert verdicts(HumanJudge(labels), case(id="c2"), "good") == [None]


PLACE = {"language": "python", "path": "a.py", "prefix": "def f():\n", "suffix": "\n\nf()\n"}


def event(kind, text, minute, **more):
    time = f"2025-01-31T12:{minute:02}:00+00:00"
    return {"event": kind, "keep_code": True, "time": time, **PLACE, "text": text, **more}


def feedback(folder, *events):
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in events))
    return read_feedback(path)


def scored(found, *texts):
    [where] = found.cases
    return [one and one.score for one in verdicts(FeedbackJudge(found), where, *texts)]


def test_feedback_scores(tmp_path):
    yes, no, seen, edited, final = (f"    return {word}\n" for word in ("yes", "no", "seen", "nearly", "mine"))
    found = feedback(
        tmp_path,
        event("rejected", yes, 1),
        event("edited", edited, 4, final=final),
        event("accepted", yes, 3),
        event("rejected", no, 2),
        event("shown", seen, 5),
    )
    values = scored(found, yes, no, seen, edited, final, "unheard of")
    assert values[:3] == [1, 0, None] and values[4:] == [1, None]
    assert 0 < values[3] < 1
    assert found.cases[0].middle == final
    assert found.counts["events"] == 5


def test_without_consent_or_code_an_event_is_only_counted(tmp_path):
    kept = event("accepted", "    return 1\n", 1)
    found = feedback(
        tmp_path,
        kept | {"keep_code": False, "text": "private"},
        {key: value for key, value in kept.items() if key != "keep_code"},
        kept | {"keep_code": "true", "event": None},
        kept | {"text": None},
        {key: value for key, value in kept.items() if key != "prefix"},
        event("edited", "x", 2),
        kept,
    )
    assert FeedbackJudge(found).metrics() == {
        "feedback_events": 7,
        "feedback_without_consent": 3,
        "feedback_without_code": 3,
    }
    assert [where.middle for where in found.cases] == ["    return 1\n"]
    assert "private" not in repr(found)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("{", "not a JSON object"),
        ("[]", "not a JSON object"),
        ({"event": "eaten"}, "none of shown"),
        ({"text": 3}, "`text` is not a string"),
        ({"language": None}, "`language` is not a string"),
        ({"time": "yesterday"}, "ISO 8601"),
        ({"time": "2025-01-31T12:00:00"}, "ISO 8601"),
    ],
)
def test_errors_name_file_and_line(tmp_path, broken, says):
    path = tmp_path / "events.jsonl"
    good = event("accepted", "x", 1)
    line = broken if isinstance(broken, str) else json.dumps(good | broken)
    path.write_text(f"{json.dumps(good)}\n{line}\n")
    with pytest.raises(MidspanError) as raised:
        read_feedback(path)
    assert f"{path}:2: " in str(raised.value) and says in str(raised.value)
    with pytest.raises(MidspanError, match="cannot read"):
        read_feedback(tmp_path / "none.jsonl")


def test_feedback_becomes_pairs(tmp_path):
    found = feedback(
        tmp_path,
        event("accepted", "    return 1\n", 1),
        event("rejected", "    return 'something else'\n", 2),
        event("edited", "    value = 2\n", 1, prefix="def g():\n", final="    return 2 * 3\n"),
    )
    tokenizer = Tokenizer.from_json(train_tokenizer([module("a", 1)], 340).to_str())
    samples = feedback_samples(found, tokenizer, detect_format(tokenizer), PromptConfig(max_tokens=128))
    with Progress(quiet=True).task("judge") as task:
        judged = asyncio.run(judge_all(found.cases, samples, FeedbackJudge(found), True, lambda: (), task))
    pairs = [pair for id, candidates in judged.items() for pair in make_pairs(id, candidates, 0.15, 2)]
    assert [(pair.chosen.text, pair.rejected.text) for pair in pairs] == [
        ("    return 1\n", "    return 'something else'\n"),
        ("    return 2 * 3\n", "    value = 2\n"),
    ]
    assert [pair.chosen.source for pair in pairs] == ["sampled", "truth"]
    assert all(sampled.prompt_ids for sampled in samples.values())
