"""A typing session made of the differences between two versions of a project, keystroke by keystroke.

The developer goes from change to change, deletes the old text backwards or by selecting it, and types the new one. The
editor indents a new line, closes brackets and quotes, and lets the closing ones be typed over. Now and then a wrong
letter is typed and taken back. After every change the file is saved, so the project holds its new text.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from midspan.context.lines import split_lines
from midspan.context.project import File, Project

CLOSERS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}
TYPO_SHARE = 0.02
BACKSPACED = 40
"""Longer text is not deleted backwards but selected."""


@dataclass(frozen=True)
class Edit:
    """A change of one place: `old`, at the offset `at` when all edits before it are made, becomes `new`."""

    path: str
    at: int
    old: str
    new: str


@dataclass(frozen=True)
class Moment:
    """The caret after a keystroke, and the project as it was saved last. `edit` counts from 0."""

    edit: int
    project: Project
    path: str
    prefix: str
    suffix: str


def edits_between(path: str, before: str, after: str, shortest: int = 0, longest: int = 1_000_000) -> list[Edit]:
    """The changes from one text to another, from top to bottom, that type `shortest` to `longest` characters."""
    edits = []
    old, new = split_lines(before), split_lines(after)
    at = done = 0
    for _, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        at += sum(map(len, old[done:start]))
        done = end
        gone, come = "".join(old[start:end]), "".join(new[new_start:new_end])
        same = shared(gone, come)
        rest = shared(gone[same:][::-1], come[same:][::-1])
        edit = Edit(path, at + same, gone[same : len(gone) - rest], come[same : len(come) - rest])
        if not shortest <= len(edit.new) <= longest or edit.old == edit.new:
            at += len(gone)
            continue
        if edit.at and not edit.old and not same and edit.new.endswith("\n"):
            # Lines are put in by typing behind the line above.
            edit = Edit(path, edit.at - 1, "", "\n" + edit.new[:-1])
        edits.append(edit)
        at += len(come)
    return edits


def shared(one: Sequence[object], other: Sequence[object]) -> int:
    """How many characters two texts, or tokens two prompts, begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (mine, yours) in pairs if mine != yours), min(len(one), len(other)))


def session(
    name: str, before: Mapping[str, str], edits: list[Edit], seed: int = 0, typos: float = TYPO_SHARE
) -> Iterator[Moment]:
    """The caret after every keystroke of `edits`, beginning with the move to the first one."""
    project = Project.of(name, [File(path, text) for path, text in before.items()])
    texts = dict(before)
    chance = random.Random(seed)
    for number, edit in enumerate(edits):
        text, end = texts[edit.path], edit.at + len(edit.old)
        typist = _Typist(text[: edit.at], text[end:], chance, typos)
        for prefix, suffix in typist.replace(edit.old, edit.new, backwards=number % 2 == 0):
            yield Moment(number, project, edit.path, prefix, suffix)
        texts[edit.path] = typist.prefix + typist.suffix
        assert texts[edit.path] == text[: edit.at] + edit.new + text[end:]
        project = project.replace(edit.path, texts[edit.path])


class _Typist:
    """The text on both sides of the caret; `closing` is what the editor put behind it by itself."""

    def __init__(self, prefix: str, suffix: str, chance: random.Random, typos: float) -> None:
        self.prefix, self.suffix, self.chance, self.typos = prefix, suffix, chance, typos
        self.closing = ""

    @property
    def now(self) -> tuple[str, str]:
        return self.prefix, self.suffix

    @property
    def line(self) -> str:
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    def replace(self, old: str, new: str, backwards: bool) -> Iterator[tuple[str, str]]:
        """The caret behind `old`, and after each keystroke until `new` stands there."""
        start = len(self.prefix)
        self.prefix += old
        yield self.now
        while len(self.prefix) > start:
            self.prefix = self.prefix[:-1] if backwards and len(old) <= BACKSPACED else self.prefix[:start]
            yield self.now
        yield from self._type(new)
        if self.closing:
            self.suffix = self.suffix[len(self.closing) :]
            yield self.now

    def _type(self, text: str) -> Iterator[tuple[str, str]]:
        place = 0
        while place < len(text):
            letter = text[place]
            if self.closing.startswith("\n") and text.startswith(self.closing, place):
                place += self._pass(len(self.closing))
            elif letter == "\n":
                place += 1
                self._enter()
                yield self.now
                blanks = len(text) - place - len(text[place:].lstrip(" \t"))
                if text[place + blanks : place + blanks + 1] != "\n":
                    yield from self._indent(text[place : place + blanks])
                    place += blanks
                continue
            elif self.closing.startswith(letter):
                place += self._pass(1)
            else:
                if letter.isalpha() and self.chance.random() < self.typos:
                    self.prefix += self.chance.choice("etaoin")
                    yield self.now
                    self.prefix = self.prefix[:-1]
                    yield self.now
                if self._closes(letter):
                    self.suffix, self.closing = CLOSERS[letter] + self.suffix, CLOSERS[letter] + self.closing
                self.prefix += letter
                place += 1
            yield self.now

    def _pass(self, size: int) -> int:
        """Move the caret over text that the editor put there."""
        self.prefix, self.suffix, self.closing = (
            self.prefix + self.suffix[:size],
            self.suffix[size:],
            self.closing[size:],
        )
        return size

    def _closes(self, letter: str) -> bool:
        if letter not in CLOSERS or self.suffix[:1].strip(")]}\n\r\t "):
            return False
        return letter not in "\"'" or not (self.prefix[-1:].isalnum() or self.prefix[-1:] in "\"'")

    def _enter(self) -> None:
        line = self.line
        if not line.strip():
            self.prefix = self.prefix[: len(self.prefix) - len(line)]
        indent = line[: len(line) - len(line.lstrip())]
        opener = line.rstrip()[-1:]
        if opener in CLOSERS and self.closing.startswith(CLOSERS[opener]):
            self.suffix, self.closing = f"\n{indent}{self.suffix}", f"\n{indent}{self.closing}"
        self.prefix += "\n" + indent + ("    " if opener and opener in ":([{" else "")

    def _indent(self, wanted: str) -> Iterator[tuple[str, str]]:
        """Backspace and tabulator until the line is indented as wanted."""
        while not wanted.startswith(self.line):
            self.prefix = self.prefix[: -min(4, len(self.line))]
            yield self.now
        while self.line != wanted:
            self.prefix += wanted[len(self.line) :][:4]
            yield self.now
