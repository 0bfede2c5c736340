from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.data.corpus import Document
from midspan.data.mix import NATURAL, Group, occurrences, repeats, source_epochs
from midspan.model.tokenizer_stage import sample
from midspan.recipe.schema import MixConfig
from midspan.train.packing import shuffled_mix

GROUPS = st.dictionaries(
    st.builds(Group, st.sampled_from("abc"), st.sampled_from(["python", "go", "text", "markdown", "lua"])),
    st.integers(1, 10**9),
    min_size=1,
)
CONFIGS = st.builds(
    MixConfig,
    epochs=st.dictionaries(st.sampled_from("abc"), st.floats(0.125, 5)),
    languages=st.dictionaries(st.sampled_from(["python", "go", "text"]), st.floats(0.125, 5)),
    temperature=st.floats(1, 50),
    natural_share=st.none() | st.floats(0, 1),
    max_repeats=st.floats(1, 10),
)


def shown(sizes, config):
    """(bytes shown, bytes with epochs counted) by language."""
    times = repeats(sizes, config)
    result, plain = Counter(), Counter()
    for group, size in sizes.items():
        result[group.language] += size * times[group]
        plain[group.language] += size * source_epochs(group.source, config)
    return result, plain


@given(GROUPS)
def test_without_settings_every_document_is_shown_once(sizes):
    assert set(repeats(sizes, MixConfig()).values()) == {1.0}


@given(GROUPS, CONFIGS)
def test_limits_hold_and_the_amount_stays(sizes, config):
    result, plain = shown(sizes, config)
    factors = {name: result[name] / plain[name] for name in plain}
    assert all(0 <= factor <= config.max_repeats * 1.0001 + 1e-4 for factor in factors.values())
    total = sum(plain.values())
    if any(factor < config.max_repeats * 0.999 for factor in factors.values()) and config.natural_share is None:
        assert sum(result.values()) == pytest.approx(total, rel=1e-3)
    natural, code = plain.keys() & NATURAL, plain.keys() - NATURAL
    free = all(any(factors[name] < config.max_repeats * 0.999 for name in kind) for kind in (natural, code) if kind)
    if config.natural_share is not None and natural and code and free:
        assert sum(result[name] for name in natural) == pytest.approx(
            total * config.natural_share, rel=1e-3, abs=total / 1e4
        )


@given(GROUPS, st.floats(1, 20))
def test_temperature_keeps_the_order_of_languages_and_brings_them_together(sizes, temperature):
    result, plain = shown(sizes, MixConfig(temperature=temperature, max_repeats=1e12))
    largest, smallest = max(plain, key=plain.__getitem__), min(plain, key=plain.__getitem__)
    expected = (plain[largest] / plain[smallest]) ** (1 / temperature)
    assert result[largest] / result[smallest] == pytest.approx(expected, rel=1e-2)


def test_weights_epochs_and_the_limit():
    sizes = {Group("a", "python"): 800, Group("b", "python"): 100, Group("b", "go"): 100}
    times = repeats(sizes, MixConfig(epochs={"b": 3}))
    assert times == {Group("a", "python"): 1.0, Group("b", "python"): 3.0, Group("b", "go"): 3.0}
    times = repeats(sizes, MixConfig(languages={"go": 2.25}))
    assert times[Group("b", "go")] == pytest.approx(2.0)
    assert times[Group("a", "python")] == pytest.approx(800 / 900, abs=1e-6)
    times = repeats(sizes, MixConfig(languages={"go": 1000}))
    assert times[Group("b", "go")] == 4.0
    assert times[Group("a", "python")] == times[Group("b", "python")] == pytest.approx(600 / 900, abs=1e-6)
    assert repeats(sizes, MixConfig(languages={"go": 0}))[Group("b", "go")] == 0


def test_a_source_is_named_by_its_kind_or_in_full():
    config = MixConfig(epochs={"environment": 2, "environment:numpy": 3, "folder:~/code": 0.5})
    names = ["environment:pip", "environment:numpy", "folder:~/code", "folder:~/code:x", "git:https://a/b", "text"]
    assert [source_epochs(name, config) for name in names] == [2, 3, 0.5, 0.5, 1, 1]


@given(st.floats(0, 8), st.floats(0, 1, exclude_max=True), st.integers(1, 40))
def test_over_epochs_a_document_is_shown_as_often_as_it_should_be(times, phase, epochs):
    numbers = [number for epoch in range(epochs) for number in occurrences(times, epoch, phase)]
    assert numbers == list(range(len(numbers)))
    assert abs(len(numbers) - times * epochs) <= 1


def document(name, times=1.0):
    return Document("p", name, "python", name * 10, "MIT", "here", name, "train", times)


def test_pretraining_follows_the_mix():
    documents = [document("a", 2.5), document("b"), document("c", 0.25), document("d", 0.0)]
    seen = [[(number, each.path) for number, each in shuffled_mix(documents, 0, epoch)] for epoch in range(40)]
    counts = Counter(path for epoch in seen for _, path in epoch)
    assert counts == {"a": 100, "b": 40, "c": 10}
    assert all((epoch, "b") in found for epoch, found in enumerate(seen))
    assert len({each for epoch in seen for each in epoch}) == 150
    assert shuffled_mix(documents, 0, 3) == shuffled_mix(documents[::-1], 0, 3)


def test_the_tokenizer_sees_what_is_repeated_more_often():
    names = [f"{number * 7919 % 4096:04x}{'0' * 12}" for number in range(400)]
    plain = list(sample([document(name) for name in names], 10**9))
    assert plain == [name * 10 for name in sorted(names)]
    mixed = [document(name, 8.0 if number % 2 else 1.0) for number, name in enumerate(names)]
    first = list(sample(mixed, 100 * len(plain[0])))
    favoured = {each.text for each in mixed if each.repeats > 1}
    assert sum(text in favoured for text in first) > 75
    assert not any(text == names[0] * 10 for text in sample([document(names[0], 0.0), document(names[1])], 10**9))
