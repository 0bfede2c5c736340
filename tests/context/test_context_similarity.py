import inspect
import textwrap

import numpy as np
import pytest
from context_samples import WordEncoder
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Bpe
from tokenizers import models, pre_tokenizers, trainers

from midspan.context.lines import split_lines
from midspan.context.sets import Sets, join, sets_of
from midspan.context.similarity import (
    LINES,
    NUMBERS,
    WINDOW_LINES,
    WINDOW_STEP,
    WORDS,
    iou,
    iou_with_each,
    line_set,
    sums,
    tokens_of,
    window_tokens,
    words_of,
)
from midspan.model.gguf_tokenizer import pre_tokenizer_named
from midspan.prompt.tokenizer import Tokenizer

TRAINER = trainers.BpeTrainer(
    vocab_size=900, show_progress=False, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
)
NUMBER_SETS = st.lists(st.sets(st.integers(0, 40)), max_size=8)
SOURCE = inspect.getsource(textwrap)


def members(sets: Sets) -> list[set[int]]:
    ends = np.cumsum(sets.sizes)
    return [set(sets.items[end - size : end].tolist()) for size, end in zip(sets.sizes, ends, strict=True)]


@given(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3)))
def test_iou_is_that_of_the_sets_of_trimmed_lines(one: list[str], other: list[str]) -> None:
    ours, theirs = ({line.strip() for line in lines if line.strip()} for lines in (one, other))
    expected = len(ours & theirs) / len(ours | theirs) if ours | theirs else 0
    assert iou(line_set(one), line_set(other)) == iou(line_set(other), line_set(one)) == expected


def test_the_lines_of_a_file() -> None:
    assert len(LINES.compute("  a\n\na\r\n   \nb \n").items) == 2
    assert len(LINES.compute("").items) == 0


@given(NUMBER_SETS, st.sets(st.integers(0, 50)))
def test_iou_with_each_is_iou_with_one_after_the_other(windows: list[set[int]], query: set[int]) -> None:
    scores = iou_with_each(np.array(sorted(query), np.uint32), sets_of(windows))
    expected = [len(query & window) / len(query | window) if query | window else 0 for window in windows]
    assert scores.tolist() == pytest.approx(expected)


@given(NUMBER_SETS, st.dictionaries(st.integers(0, 50), st.integers(1, 100)))
def test_sums(windows: list[set[int]], values: dict[int, int]) -> None:
    numbers, worth = np.array(list(values), np.uint32), np.array(list(values.values()), np.float64)
    found = sums(sets_of(windows), numbers, worth)
    assert found.tolist() == [sum(values.get(number, 0) for number in window) for window in windows]


@given(NUMBER_SETS, NUMBER_SETS, st.integers(0, 3))
def test_sets_come_back_from_bytes_and_can_be_joined_and_parted(
    one: list[set[int]], other: list[set[int]], count: int
) -> None:
    sets = sets_of(one)
    assert members(sets) == one
    assert members(Sets.from_bytes(sets.to_bytes())) == one
    assert members(join([sets, sets_of(other)])) == [*one, *other]
    assert members(sets.without(count)) == one[count:]
    lines = Sets(np.array([1], np.int32), np.array([2**63], np.uint64))
    assert members(Sets.from_bytes(lines.to_bytes())) == [{2**63}]


@pytest.mark.parametrize("end", [0, 3, 9, 27])
def test_cut_bytes_are_refused(end: int) -> None:
    with pytest.raises(ValueError):
        Sets.from_bytes(sets_of([{1, 2}, {3}]).to_bytes()[:end])


@given(st.integers(0, 100))
def test_windows_cover_every_line_and_overlap_by_one_step(count: int) -> None:
    lines = [f"line{number}\n" for number in range(count)]
    starts = range(0, max(count - WINDOW_STEP, min(count, 1)), WINDOW_STEP)
    encoder = WordEncoder()
    windows = members(window_tokens(encoder).compute("".join(lines)))
    assert windows == [set(encoder.encode("".join(lines[start : start + WINDOW_LINES]))) for start in starts]
    whole, *words = members(WORDS.compute("".join(lines)))
    assert whole == words_of("".join(lines))
    assert words == [words_of("".join(lines[start : start + WINDOW_LINES])) for start in starts]


def test_words_are_identifiers_of_any_script() -> None:
    assert words_of("größe = a1 + 1a # 数値") == words_of("größe a1 a 数値")
    assert all(number < NUMBERS for number in words_of(SOURCE))


@pytest.fixture(scope="module", params=["deepseek-coder", "gpt-2", "starcoder", "qwen2", "llama3"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    bpe = Bpe(models.BPE())
    splits = pre_tokenizer_named(request.param)
    assert splits is not None
    bpe.pre_tokenizer = splits
    bpe.train_from_iterator([SOURCE] * 3, TRAINER)
    made = Tokenizer.from_json(bpe.to_str())
    assert made.word_borders
    return made


@given(text=st.text(alphabet="aZ1_ \t\n\r.(é)'s語-", max_size=60))
def test_tokens_piece_by_piece_are_those_of_the_whole_text(tokenizer: Tokenizer, text: str) -> None:
    assert tokens_of(text, tokenizer) == set(tokenizer.encode(text))


def test_tokens_of_real_source(tokenizer: Tokenizer) -> None:
    lines = split_lines(SOURCE)
    for start in range(0, len(lines), 10):
        text = "".join(lines[start : start + 10])
        assert tokens_of(text, tokenizer) == set(tokenizer.encode(text))
