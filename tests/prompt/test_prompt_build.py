import inspect
import textwrap
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan.context.project import Chunk, File, Project
from midspan.errors import MidspanError
from midspan.fim.split import Split
from midspan.prompt.budget import fit_grown, fit_head, fit_tail, step_lines
from midspan.prompt.build import Prompt, build_prompt, context_budget, fim_document, make_prompt, target_ids
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import SPECIAL_TOKENS, Tokenizer
from midspan.recipe.schema import PromptConfig

CONFIG = PromptConfig(max_tokens=512)
TEXT = st.text(alphabet="ab_ \t\n\r(é語😀", max_size=100)
SOURCE = inspect.getsource(textwrap)


def chunk(path: str, text: str, first_line: int = 0) -> Chunk:
    return Chunk(path, text, first_line, 1.0, "because")


def part(prompt: Prompt, kind: str) -> str:
    [text] = [part.text for part in prompt.parts if part.kind == kind]
    return text


def test_layout(tokenizer: Tokenizer, format: Format) -> None:
    prompt = build_prompt(
        tokenizer,
        format,
        path="shop/order.py",
        prefix="import cart\n\ndef pay(order):\n    return car",
        suffix="(order)\n\nEND = 1\n",
        chunks=[
            chunk("shop/user.py", "class User:\n    pass\n"),
            chunk("shop/cart.py", "def tax():\n", 40),
            chunk("shop/cart.py", "def total():\n", 3),
        ],
        config=CONFIG,
    )
    assert prompt.render(tokenizer) == (
        "<filename>shop/cart.py\ndef total():\n"
        "<filename>shop/cart.py\ndef tax():\n"
        "<filename>shop/user.py\nclass User:\n    pass\n"
        "<filename>shop/order.py\n"
        "<fim_suffix>(order)\n\nEND = 1\n"
        "<fim_prefix>import cart\n\ndef pay(order):\n    return"
        "<fim_middle>"
    )
    assert prompt.healed == " car"
    kinds = ["context", "context", "context", "path", "control", "suffix", "control", "prefix", "control"]
    assert [part.kind for part in prompt.parts] == kinds
    assert prompt.parts[0].reason == "because"
    assert prompt.ids[-1] == tokenizer.special("<fim_middle>")
    assert target_ids(tokenizer, format, prompt, "t.total") == [
        *tokenizer.encode(" cart.total"),
        tokenizer.special("<|endoftext|>"),
    ]


def test_without_healing_the_prefix_ends_at_the_caret(tokenizer: Tokenizer, format: Format) -> None:
    config = CONFIG.model_copy(update={"heal": False})
    prompt = build_prompt(tokenizer, format, path="a.py", prefix="retu", suffix="", chunks=[], config=config)
    assert prompt.render(tokenizer) == "<filename>a.py\n<fim_suffix><fim_prefix>retu<fim_middle>"
    assert prompt.healed == ""


def test_control_tokens_written_in_files_are_plain_text(tokenizer: Tokenizer, format: Format) -> None:
    hostile = "".join(SPECIAL_TOKENS) + "\n"
    prompt = build_prompt(
        tokenizer,
        format,
        path=f"{SPECIAL_TOKENS[3]}.py",
        prefix=hostile,
        suffix=hostile,
        chunks=[chunk(SPECIAL_TOKENS[0], hostile)],
        config=PromptConfig(),
    )
    names = [SPECIAL_TOKENS[id] for id in prompt.ids if id < len(SPECIAL_TOKENS)]
    assert names == ["<filename>", "<filename>", "<fim_suffix>", "<fim_prefix>", "<fim_middle>"]
    assert part(prompt, "prefix") == part(prompt, "suffix") == hostile
    target = target_ids(tokenizer, format, prompt, hostile)
    assert [id for id in target if id < len(SPECIAL_TOKENS)] == [tokenizer.special("<|endoftext|>")]


@given(
    prefix=TEXT,
    suffix=TEXT,
    chunks=st.lists(st.builds(chunk, st.sampled_from(["a.py", "b/c.py"]), TEXT, st.integers(0, 99)), max_size=4),
    repeat=st.sampled_from([1, 7]),
    max_tokens=st.integers(24, 400),
    context_share=st.sampled_from([0.0, 0.5, 1.0]),
    suffix_share=st.sampled_from([0.0, 0.15, 1.0]),
)
def test_never_longer_than_allowed_and_always_true_to_the_text(
    tokenizer: Tokenizer,
    format: Format,
    prefix: str,
    suffix: str,
    chunks: list[Chunk],
    repeat: int,
    max_tokens: int,
    context_share: float,
    suffix_share: float,
) -> None:
    config = PromptConfig(context_share=context_share, suffix_share=suffix_share)
    prefix, suffix = prefix * repeat, suffix * repeat
    prompt = build_prompt(
        tokenizer,
        format,
        path="x.py",
        prefix=prefix,
        suffix=suffix,
        chunks=chunks,
        config=config,
        max_tokens=max_tokens,
    )
    assert len(prompt.ids) <= max_tokens
    assert len(prompt.ids) == sum(part.tokens for part in prompt.parts)
    assert prompt.render(tokenizer) == "".join(part.text for part in prompt.parts)
    assert prefix.endswith(part(prompt, "prefix") + prompt.healed)
    kept_suffix = part(prompt, "suffix")
    assert suffix.startswith(kept_suffix)
    assert kept_suffix in ("", suffix) or kept_suffix.endswith("\n")
    used = {kind: sum(part.tokens for part in prompt.parts if part.kind == kind) for kind in ("context", "suffix")}
    assert used["context"] <= context_budget(config, max_tokens)
    assert used["suffix"] <= suffix_share * max_tokens
    if prefix.removesuffix(prompt.healed).rpartition("\n")[2]:
        assert part(prompt, "prefix")


def test_context_and_suffix_keep_to_their_shares_and_the_prefix_takes_the_rest(
    tokenizer: Tokenizer, format: Format
) -> None:
    long = SOURCE * 3
    chunks = [chunk("a.py", long), chunk("b.py", long)]
    full = build_prompt(tokenizer, format, path="x.py", prefix=long, suffix=long, chunks=chunks, config=CONFIG)
    lonely = build_prompt(tokenizer, format, path="x.py", prefix=long, suffix="", chunks=[], config=CONFIG)
    tokens = {part.kind: part.tokens for part in full.parts}
    assert [part.path for part in full.parts if part.kind == "context"] == ["a.py"]
    assert 0.85 * 256 <= tokens["context"] <= 256
    assert 0.5 * 76 <= tokens["suffix"] <= 76
    assert tokens["prefix"] >= 0.8 * (512 - 256 - 76 - 8)
    assert len(lonely.ids) >= 0.85 * 512


def test_every_cut_is_told(tokenizer: Tokenizer, format: Format) -> None:
    prompt = build_prompt(tokenizer, format, path="x.py", prefix=SOURCE, suffix=SOURCE, chunks=[], config=CONFIG)
    for part in prompt.parts:
        if part.kind in ("prefix", "suffix"):
            assert part.reason.startswith(str(len(SOURCE) - len(part.text)))


def test_the_best_chunks_are_kept_whatever_their_order_in_the_prompt(tokenizer: Tokenizer, format: Format) -> None:
    text = "value = 1\n" * 40
    chunks = [chunk("z.py", text), chunk("y.py", text), chunk("a.py", text)]
    prompt = build_prompt(tokenizer, format, path="x.py", prefix="", suffix="", chunks=chunks, config=CONFIG)
    context = [part for part in prompt.parts if part.kind == "context"]
    assert [part.path for part in context] == ["y.py", "z.py"]
    assert context[1].text == f"<filename>z.py\n{text}"
    assert text.startswith(context[0].text.removeprefix("<filename>y.py\n")) and context[0].text.endswith("\n")


def test_a_line_without_end_is_cut_next_to_its_start(tokenizer: Tokenizer, format: Format) -> None:
    line = "".join(f"語{number}(" for number in range(20_000))
    prompt = build_prompt(tokenizer, format, path="x.js", prefix=line, suffix=line, chunks=[], config=CONFIG)
    assert line.endswith(part(prompt, "prefix") + prompt.healed)
    assert 300 < len(prompt.ids) <= 512
    assert part(prompt, "suffix") == ""


def test_no_room_even_for_the_path(tokenizer: Tokenizer, format: Format) -> None:
    with pytest.raises(MidspanError, match="prompt of 20 tokens"):
        build_prompt(tokenizer, format, path="d/" * 50, prefix="", suffix="", chunks=[], config=CONFIG, max_tokens=20)


@given(lines=st.integers(0, 60), room=st.integers(0, 200), step=st.integers(1, 9))
def test_fitting_keeps_as_many_lines_as_the_room_holds(tokenizer: Tokenizer, lines: int, room: int, step: int) -> None:
    line = "a = b\n"
    each = len(tokenizer.encode(line))
    text = line * lines
    head = fit_head(tokenizer, text, room)
    assert head.text == line * min(lines, room // each)
    tail = fit_tail(tokenizer, text, room, step)
    start = lines - tail.text.count("\n")
    if room >= each * step:
        assert tail.text == line * (lines - start)
        assert start % step == 0
        assert start == 0 or (lines - start + step) * each > room
    for fitted in (head, tail):
        assert list(fitted.ids) == tokenizer.encode(fitted.text)
        assert len(fitted.ids) <= room


@settings(max_examples=40)
@given(room=st.integers(0, 300), step=st.integers(1, 9), lead=st.sampled_from(["", " "]), part=st.integers(10, 60))
def test_grown_text_is_shown_from_where_it_was(
    tokenizer: Tokenizer, room: int, step: int, lead: str, part: int
) -> None:
    text, start, moves = SOURCE[:3000], 0, 0
    for end in range(part, len(text), part):
        fitted = fit_grown(tokenizer, text[:end], start, room, step, lead)
        shown = fitted.text.removeprefix(lead)
        assert text[:end].endswith(shown)
        assert shown or room < 2
        assert len(fitted.ids) <= room
        if end - len(shown) != start:
            moves += 1
            assert len(fitted.ids) <= room * 3 / 4 + 1
        start = end - len(shown)
    # Steps are far if whole blocks of lines fit into a quarter of the room.
    if room >= 200 and step == 1:
        assert moves <= 4 * len(tokenizer.encode(text)) / room + 1


def test_a_long_prefix_is_cut_in_steps(tokenizer: Tokenizer, format: Format) -> None:
    lines = [f"value_{number} = call({number})\n" for number in range(200)]
    config = PromptConfig(max_tokens=1536)
    starts = []
    for caret in range(160, 200):
        prompt = build_prompt(
            tokenizer, format, path="x.py", prefix="".join(lines[:caret]), suffix="", chunks=[], config=config
        )
        starts.append(lines.index(part(prompt, "prefix").split("\n")[0] + "\n"))
    assert all(start % step_lines(1536) == 0 for start in starts)
    assert 2 <= len(set(starts)) <= 40 / step_lines(1536) + 1
    assert starts == sorted(starts)


def shop() -> Project:
    utilities = [File(f"shop/part{number}.py", SOURCE[number * 900 : number * 900 + 3000]) for number in range(12)]
    return Project.of("shop", [*utilities, File("shop/order.py", "stale")])


def session(typed: str, before: str, after: str) -> list[tuple[str, str]]:
    """The caret after every keystroke of `typed`."""
    return [(before + typed[:end], after) for end in range(len(typed) + 1)]


TYPED = '''def wrapped_lines(self, text, width):
    """Return the lines of text."""
    chunks = self._split_chunks(text)
    if self.fix_sentence_endings:
        self._fix_sentence_endings(chunks)
    lines = []
    for chunk in reversed(chunks):
        if len(chunk) > width:
            raise ValueError(f"invalid width {width!r} (must be > 0)")
        lines.append(chunk.rstrip())
    return lines
'''


@pytest.mark.parametrize("strategy", ["none", "iou", "path_distance", "rag"])
@pytest.mark.parametrize("before", [SOURCE[:700], SOURCE[:9000]], ids=["short", "long"])
def test_typing_leaves_nearly_all_of_the_prompt_in_place(
    tokenizer: Tokenizer, format: Format, strategy: str, before: str
) -> None:
    project = shop()
    before = before[: before.rindex("\n") + 1]
    prompts = [
        make_prompt(
            tokenizer,
            format,
            project,
            path="shop/order.py",
            prefix=prefix,
            suffix=suffix,
            strategy=strategy,  # type: ignore[arg-type]
            config=PromptConfig(max_tokens=1536),
        ).ids
        for prefix, suffix in session(TYPED, before, SOURCE[9000:10_000])
    ]
    reused = total = 0
    for old, new in pairwise(prompts):
        differences = (place for place, (one, other) in enumerate(zip(old, new, strict=False)) if one != other)
        reused += next(differences, min(len(old), len(new)))
        total += len(new)
    assert reused / total >= 0.95


def test_typing_along_a_word_changes_only_what_is_healed(tokenizer: Tokenizer, format: Format) -> None:
    project = shop()
    prompts = [
        make_prompt(
            tokenizer,
            format,
            project,
            path="shop/order.py",
            prefix=prefix,
            suffix=suffix,
            strategy="rag",
            config=CONFIG,
        )
        for prefix, suffix in session("rapped", SOURCE[:3000] + "\nx = w", "\n" + SOURCE[3000:])
    ]
    assert len({tuple(prompt.ids) for prompt in prompts}) == 1
    assert [prompt.healed for prompt in prompts] == [" wrapped"[: end + 2] for end in range(7)]


def test_same_file_same_caret_same_prompt(tokenizer: Tokenizer, format: Format) -> None:
    def prompt(project: Project) -> Prompt:
        return make_prompt(
            tokenizer,
            format,
            project,
            path="shop/order.py",
            prefix=SOURCE[:2000],
            suffix=SOURCE[2100:],
            strategy="rag",
            config=CONFIG,
        )

    project = shop()
    first = prompt(project)
    assert any(part.kind == "context" for part in first.parts)
    assert prompt(project) == first == prompt(shop())
    # The file on disk, which still holds the middle, must make no difference.
    assert prompt(project.replace("shop/order.py", SOURCE)) == first == prompt(project.replace("shop/order.py", None))


def test_no_project_is_no_context(tokenizer: Tokenizer, format: Format) -> None:
    arguments = {"path": "a.py", "prefix": "x = ", "suffix": "\n", "config": CONFIG}
    alone = make_prompt(tokenizer, format, None, strategy="rag", **arguments)  # type: ignore[arg-type]
    assert alone == build_prompt(tokenizer, format, chunks=[], **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("psm", "expected"),
    [
        (False, "<fim_suffix>c\n<fim_prefix>a <fim_middle>b<|endoftext|>"),
        (True, "<fim_prefix>a <fim_suffix>c\n<fim_middle>b<|endoftext|>"),
    ],
)
def test_pre_training_documents(tokenizer: Tokenizer, format: Format, psm: bool, expected: str) -> None:
    split = Split("a ", "b", "c\n", "character", "character", "random")
    assert tokenizer.decode(fim_document(tokenizer, format, split, psm)) == expected
