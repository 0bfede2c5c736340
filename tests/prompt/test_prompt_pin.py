"""Prompts with pins: as true and as short as those without, and steady while somebody types."""

import inspect
import json.decoder
import shlex
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from family_samples import family_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_session import Edit, Moment, edits_between, session, shared

from midspan.context.project import File, Project
from midspan.prompt.build import Prompt, make_prompt
from midspan.prompt.formats import FORMATS, Format
from midspan.prompt.pin import FILES, PINS_PER_FILE, SPOT_LINES, Pins
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import PromptConfig

CONFIG = PromptConfig(max_tokens=1536)
STRATEGIES = ["none", "iou", "path_distance", "rag", "coverage"]
SOURCES = Path(__file__).parent / "recorded_session_sources"
LIBRARY = {f"shop/{module.__name__}.py": inspect.getsource(module) for module in (json.decoder, shlex, textwrap)}
LONG = inspect.getsource(shlex)


@dataclass(frozen=True)
class Writer:
    """Makes prompts of one kind."""

    tokenizer: Tokenizer
    format: Format
    strategy: str = "rag"
    config: PromptConfig = CONFIG

    def prompt(
        self, project: Project | None, path: str, prefix: str, suffix: str, pins: Pins | None = None, **options
    ) -> Prompt:
        return make_prompt(
            self.tokenizer,
            self.format,
            project,
            path=path,
            prefix=prefix,
            suffix=suffix,
            strategy=self.strategy,  # type: ignore[arg-type]
            config=self.config,
            pins=pins,
            **options,
        )


@pytest.fixture
def writer(tokenizer: Tokenizer, format: Format) -> Writer:
    return Writer(tokenizer, format)


def text_of(prompt: Prompt, kind: str) -> str:
    return "".join(part.text for part in prompt.parts if part.kind == kind)


def context(prompt: Prompt) -> list[str]:
    return [part.text for part in prompt.parts if part.kind == "context"]


def assert_true(prompt: Prompt, writer: Writer, project: Project, path: str, prefix: str, suffix: str) -> None:
    """What the prompt shows is the text of now, next to the caret, and not too much of it."""
    assert len(prompt.ids) == sum(part.tokens for part in prompt.parts) <= writer.config.max_tokens
    lead = " " if writer.format.spaced else ""
    assert prefix.endswith(text_of(prompt, "prefix").removeprefix(lead) + prompt.healed)
    assert suffix.startswith(text_of(prompt, "suffix"))
    if prefix.removesuffix(prompt.healed).rpartition("\n")[2]:
        assert text_of(prompt, "prefix")
    for part in prompt.parts:
        if part.kind == "context":
            assert part.path != path
            heading, chunk = part.text.removeprefix(lead).split("\n", 1)
            assert part.path in heading
            chunk = chunk.removesuffix(writer.format.separator)
            assert chunk in project.files[part.path].text + "\n"


def recorded_edits() -> tuple[dict[str, str], list[Edit]]:
    """The files before, and the changes that type a few words."""
    files, edits = dict(LIBRARY), []
    for file in sorted((SOURCES / "before").glob("*.py")):
        path = f"shop/{file.name}"
        files[path] = file.read_text(encoding="utf-8")
        after = (SOURCES / "after" / file.name).read_text(encoding="utf-8")
        edits += edits_between(path, files[path], after, shortest=20)
    return files, edits


@pytest.fixture(scope="module")
def recorded() -> list[Moment]:
    files, edits = recorded_edits()
    assert len(edits) >= 20
    return list(session("shop", files, edits))


def test_all_changes_typed_give_the_new_version():
    files, wanted = {}, {}
    for file in (SOURCES / "before").glob("*.py"):
        files[file.name] = file.read_text(encoding="utf-8")
        wanted[file.name] = (SOURCES / "after" / file.name).read_text(encoding="utf-8")
    edits = [edit for name in files for edit in edits_between(name, files[name], wanted[name])]
    typed = {moment.path: moment.prefix + moment.suffix for moment in session("shop", files, edits)}
    assert typed == wanted


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_typing_a_session_of_real_edits_only_adds_to_the_end(writer: Writer, recorded: list[Moment], strategy: str):
    writer = Writer(writer.tokenizer, writer.format, strategy)
    pins, last, shares = Pins(), [], []
    for moment in recorded:
        place = (moment.project, moment.path, moment.prefix, moment.suffix)
        prompt = writer.prompt(*place, pins=pins)
        assert_true(prompt, writer, *place)
        shares.append(shared(last, prompt.ids) / len(prompt.ids))
        last = prompt.ids
    assert sum(shares[1:]) / (len(shares) - 1) >= 0.95


NAMES = ["app/a.py", "app/b.py", "lib/c.py"]
TEXT = st.text(alphabet="ab(é語 \n", max_size=30)
EDITS = st.one_of(
    st.tuples(st.just("type"), TEXT),
    st.tuples(st.just("delete"), st.integers(1, 40)),
    st.tuples(st.just("delete after"), st.integers(1, 40)),
    st.tuples(st.just("move"), st.integers(-200, 200)),
    st.tuples(st.just("jump"), st.integers(0, 2000)),
    st.tuples(st.just("edit elsewhere"), st.integers(0, 2000), TEXT),
    st.tuples(st.just("undo")),
    st.tuples(st.just("open"), st.sampled_from(NAMES)),
    st.tuples(st.just("change other"), st.sampled_from(NAMES), TEXT),
    st.tuples(st.just("read again")),
)


def replayed(script: list[tuple], texts: dict[str, str]) -> Iterator[tuple[Project, str, str, str]]:
    """The place of the caret after each step of a script, as a request has it."""
    texts = dict(texts)
    project = Project.of("p", [File(name, text) for name, text in texts.items()])
    path, caret = NAMES[0], len(texts[NAMES[0]]) // 2
    undo: list[tuple[str, str, int]] = []
    for step, *arguments in script:
        text = texts[path]
        undo.append((path, text, caret))
        match step:
            case "type":
                texts[path], caret = text[:caret] + arguments[0] + text[caret:], caret + len(arguments[0])
            case "delete":
                start = max(0, caret - arguments[0])
                texts[path], caret = text[:start] + text[caret:], start
            case "delete after":
                texts[path] = text[:caret] + text[caret + arguments[0] :]
            case "move":
                caret = min(max(0, caret + arguments[0]), len(text))
            case "jump":
                caret = min(arguments[0], len(text))
            case "edit elsewhere":
                place = min(arguments[0], len(text))
                texts[path] = text[:place] + arguments[1] + text[place + 1 :]
                caret = min(caret, len(texts[path]))
            case "undo":
                del undo[-1]
                if undo:
                    path, texts[path], caret = undo.pop()
            case "open":
                project = project.replace(path, text)
                path, caret = arguments[0], len(texts[arguments[0]]) // 2
            case "change other":
                if arguments[0] != path:
                    texts[arguments[0]] += arguments[1]
                    project = project.replace(arguments[0], texts[arguments[0]])
            case "read again":
                project = Project.of("p", [File(name, file.text) for name, file in project.files.items()])
        yield project, path, texts[path][:caret], texts[path][caret:]


@settings(max_examples=100)
@given(
    script=st.lists(EDITS, min_size=1, max_size=25),
    family=st.sampled_from(sorted(FORMATS)),
    strategy=st.sampled_from(STRATEGIES),
    max_tokens=st.integers(60, 300),
    texts=st.tuples(*[st.sampled_from([LONG[:1500], LONG[2000:5000], "é語(" * 300, "", "a = b\n" * 90])] * 3),
)
def test_whatever_happens_the_prompt_is_true_and_short_and_repeatable(
    script: list[tuple], family: str, strategy: str, max_tokens: int, texts: tuple[str, ...]
) -> None:
    writer = Writer(family_tokenizer(family), FORMATS[family], strategy, PromptConfig(max_tokens=max_tokens))
    pins, again = Pins(), Pins()
    for place in replayed(script, dict(zip(NAMES, texts, strict=True))):
        prompt = writer.prompt(*place, pins=pins)
        assert_true(prompt, writer, *place)
        assert writer.prompt(*place, pins=again) == prompt
        assert writer.prompt(*place, pins=Pins()) == writer.prompt(*place)


def cats_and_dogs() -> Project:
    """Two files of which only one fits into a small prompt; `rag` takes the one that is like the code at the caret."""
    files = {
        f"{animal}.py": "".join(
            f"def {animal}_{call}_{number}():\n    {animal}.{call}({number})\n" for number in range(40)
        )
        for animal, call in (("cat", "meow"), ("dog", "bark"))
    }
    return Project.of("zoo", [File(path, text) for path, text in files.items()])


CATS = "".join(f"cat.meow({number})\n" for number in range(60))
DOGS = "dog.bark(1)\ndog_bark_2()\n" * 8
SMALL = PromptConfig(max_tokens=400)


def test_context_stays_until_the_caret_leaves_the_spot(writer: Writer):
    writer = Writer(writer.tokenizer, writer.format, "rag", SMALL)
    project, pins = cats_and_dogs(), Pins()
    before = CATS[: len(CATS) // 2]
    first = writer.prompt(project, "zoo.py", before, CATS, pins)
    assert "cat.meow" in context(first)[0]
    typed = before + DOGS
    assert "dog.bark" in context(writer.prompt(project, "zoo.py", typed, CATS))[0]
    for prefix, suffix in (
        (typed, CATS),  # typed, or a suggestion accepted
        (before + "x", CATS),  # undone
        (before[:-40], CATS),  # deleted
        (before, CATS[60:]),  # deleted behind the caret
        (before[:-100], before[-100:] + CATS),  # moved
    ):
        prompt = writer.prompt(project, "zoo.py", prefix, suffix, pins)
        assert context(prompt) == context(first)
        assert_true(prompt, writer, project, "zoo.py", prefix, suffix)
    left = before + DOGS * 2
    assert left.count("\n") - before.count("\n") > SPOT_LINES
    assert writer.prompt(project, "zoo.py", left, CATS, pins) == writer.prompt(project, "zoo.py", left, CATS)


@pytest.mark.parametrize("change", ["above", "below", "other file", "other file gone", "new file", "path", "budget"])
def test_a_change_elsewhere_makes_the_prompt_anew(writer: Writer, change: str):
    writer = Writer(writer.tokenizer, writer.format, "rag", SMALL)
    project, pins, path, prefix, suffix, options = cats_and_dogs(), Pins(), "zoo.py", CATS, CATS, {}
    first = writer.prompt(project, path, prefix, suffix, pins)
    prefix += DOGS
    match change:
        case "above":
            prefix = "import this\n" + prefix
        case "below":
            suffix += "END\n"
        case "other file":
            project = project.replace("cat.py", project.files["cat.py"].text + "more\n")
        case "other file gone":
            project = project.replace("cat.py", None)
        case "new file":
            project = project.replace("cow.py", "moo\n")
        case "path":
            path = "yard.py"
        case "budget":
            options = {"max_tokens": 390}
    prompt = writer.prompt(project, path, prefix, suffix, pins, **options)
    assert prompt == writer.prompt(project, path, prefix, suffix, **options)
    assert context(prompt) != context(first)


@pytest.mark.parametrize("change", ["read again", "saved", "added", "recent"])
def test_what_does_not_matter_keeps_the_context(writer: Writer, change: str):
    writer = Writer(writer.tokenizer, writer.format, "rag", SMALL)
    project, pins = cats_and_dogs(), Pins()
    if change != "added":
        project = project.replace("zoo.py", CATS)
    first = writer.prompt(project, "zoo.py", CATS, "", pins)
    if change == "read again":
        project = Project.of("zoo", [File(path, file.text) for path, file in project.files.items()])
    if change in ("saved", "added"):
        project = project.replace("zoo.py", CATS + DOGS)
    options = {"recent": ("dog.py",)} if change == "recent" else {}
    prompt = writer.prompt(project, "zoo.py", CATS + DOGS, "", pins, **options)
    assert context(prompt) == context(first) != context(writer.prompt(project, "zoo.py", CATS + DOGS, ""))


def test_jumping_away_and_back_finds_the_old_prompt(writer: Writer):
    writer = Writer(writer.tokenizer, writer.format, "rag", SMALL)
    project, pins = cats_and_dogs(), Pins()
    text = CATS * (PINS_PER_FILE + 1)
    spots = [len(CATS) * number for number in range(1, PINS_PER_FILE + 1)]
    for caret in spots:
        for typed in ("", *DOGS[: 2 * PINS_PER_FILE]):
            writer.prompt(project, "zoo.py", text[:caret] + typed, text[caret:], pins)
    writer.prompt(project, "yard.py", CATS, "", pins)
    typed = text[: spots[0]] + DOGS
    prompt = writer.prompt(project, "zoo.py", typed, text[spots[0] :], pins)
    first = writer.prompt(project, "zoo.py", text[: spots[0]], text[spots[0] :])
    assert context(prompt) == context(first) != context(writer.prompt(project, "zoo.py", typed, text[spots[0] :]))


def test_the_start_of_a_long_prefix_moves_seldom(writer: Writer):
    writer = Writer(writer.tokenizer, writer.format, "none", PromptConfig(max_tokens=600))

    def moves(pins: Pins | None) -> int:
        starts, sizes = [], []
        for end in range(3000, 9000, 7):
            prompt = writer.prompt(None, "x.py", LONG[:end], "", pins)
            starts.append(end - len(text_of(prompt, "prefix") + prompt.healed))
            sizes.append(len(prompt.ids))
        assert min(sizes) >= 300
        return sum(one != other for one, other in pairwise(starts))

    assert 3 <= moves(Pins()) <= moves(None) / 2


def test_a_change_above_the_start_of_the_prefix_makes_it_anew(writer: Writer):
    writer = Writer(writer.tokenizer, writer.format, "none", PromptConfig(max_tokens=100))
    text, pins = "".join(f"cat.meow({number})\n" for number in range(100, 200)), Pins()
    for end in range(1000, 1200):
        prompt = writer.prompt(None, "x.py", text[:end], "", pins)
    hidden = end - len(text_of(prompt, "prefix") + prompt.healed)
    first = writer.prompt(None, "x.py", text[:1000], "")
    assert hidden > 1000 - len(text_of(first, "prefix") + first.healed) + 30
    changed = text[: hidden - 20] + "x" + text[hidden - 20 : end]
    assert writer.prompt(None, "x.py", changed, "", pins) == writer.prompt(None, "x.py", changed, "")


def test_much_deleted_shows_more_from_above(writer: Writer):
    writer = Writer(writer.tokenizer, writer.format, "none", PromptConfig(max_tokens=600))
    pins = Pins()
    prefix = "".join(f"value_{number} = call({number}, {number})\n" for number in range(200))
    long = writer.prompt(None, "x.py", prefix, "", pins)
    lines = prefix.splitlines(keepends=True)
    short = writer.prompt(None, "x.py", "".join(lines[:-22]), "", pins)
    assert len(long.ids) > 500
    assert len(short.ids) >= 400


def test_old_pins_are_forgotten(writer: Writer):
    writer = Writer(writer.tokenizer, writer.format, "rag", SMALL)
    project, pins = cats_and_dogs(), Pins()

    def is_pinned(path: str) -> bool:
        first = writer.prompt(project, path, CATS, "")
        return context(writer.prompt(project, path, CATS + DOGS, "", pins)) == context(first)

    for number in range(FILES + 1):
        writer.prompt(project, f"{number}.py", CATS, "", pins)
    assert is_pinned("1.py")
    assert not is_pinned("0.py")
    # Asking for 0.py has pinned it, and 2.py was then the one used longest ago.
    assert is_pinned("3.py")
    assert not is_pinned("2.py")


def test_threads_share_pins(writer: Writer):
    writer = Writer(writer.tokenizer, writer.format, "rag", SMALL)
    project, pins = cats_and_dogs(), Pins()

    def type_on(number: int) -> None:
        for end in range(0, len(DOGS), 5):
            place = (project, f"zoo{number % 3}.py", CATS + DOGS[:end], CATS[number:])
            assert_true(writer.prompt(*place, pins=pins), writer, *place)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(type_on, range(16)))
