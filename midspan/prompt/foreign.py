"""Prompts that another client has printed: recognised as text, taken apart, to be printed again for the served model.

A prompt is, with the names of any family of `formats`, one of

    [BOS] before PREFIX inside-prefix SUFFIX suffix MIDDLE [written]        (PSM)
    [BOS] before SUFFIX suffix PREFIX inside-prefix MIDDLE [written]        (SPM)
    [BOS] SUFFIX suffix PREFIX inside-prefix                                (Codestral: no MIDDLE)

`before` and `inside` hold the context files and the path of the current file where the family has them. Text `written`
behind MIDDLE is the beginning of the answer, so it belongs to the prefix (Code Llama's and StarCoder's own SPM is PSM
with an empty prefix and all of it written). As text a control token cannot be told from its name written by a user, so
these rules decide; whatever they decide, nothing but the tokens, headings and blanks of the layout is left out:

* Text is a prompt only if it ends with MIDDLE or begins with a control token; Codestral's begins with SUFFIX.
* The order is that of the first PREFIX or SUFFIX. The first name of the other one behind it ends the first part.
* MIDDLE is the last one of the text.
* Of families with the same three names the markers of files decide, else BOS, else the order, else the table's order.
  The parts are the same for all of them.
* A file's heading of mere text (`#path`, `+++++ path`) counts only if the prefix begins with one. A comment that looks
  like a path, in the first line of a file, is taken for one. StarCoder 2's paths count without a repository's name if
  they look like paths, since it prints none then.
* If the last heading before the parts has no text below it, it is that of the current file.
"""

import re
from dataclasses import dataclass

from midspan.context.project import Chunk
from midspan.prompt.formats import CODELLAMA, FORMATS, Format

WHY = "sent along by the client"
LIKE_A_PATH = r"[^\s#+]\S*(?:/[^\s/]+|\.\w+)"
HEADINGS = {
    "#{path}\n": re.compile(rf"^#[ \t]?({LIKE_A_PATH})[ \t]*\n", re.MULTILINE),
    "+++++ {path}\n": re.compile(r"^\+{5} ([^\n]*\S)[ \t]*\n", re.MULTILINE),
}
"""Headings of mere text as clients write them."""
REPOSITORY = re.compile(r"<\|?reponame\|?>([^\n<]*)\n?")


@dataclass(frozen=True)
class ForeignPrompt:
    """A prompt taken apart. `path` and `repository` are "" where it names none, as is the path of text without one."""

    family: str
    prefix: str
    suffix: str
    path: str = ""
    context: tuple[tuple[str, str], ...] = ()
    repository: str = ""

    @property
    def chunks(self) -> list[Chunk]:
        """The context as `build_prompt` takes it, the client's order being the order of worth."""
        return [Chunk(path, text, place, 1.0, WHY) for place, (path, text) in enumerate(self.context)]


@dataclass(frozen=True)
class _Parts:
    before: str
    inside: str
    suffix: str
    order: str


def parse(text: str) -> ForeignPrompt | None:
    """Take a prompt apart that any client printed for any of the families; None if it is none. Never raises."""
    found: list[tuple[int, Format, _Parts]] = []
    for format in FORMATS.values():
        parts = _split(format, text)
        if parts is not None:
            found.append((_likeness(format, text, parts), format, parts))
    if not found:
        return None
    _, format, parts = max(found, key=lambda item: item[0])
    return _read(format, parts, decoded=_has_bos(format, text))


def _has_bos(format: Format, text: str) -> bool:
    return bool(format.bos) and text.startswith(format.bos)


def _token(format: Format, name: str) -> re.Pattern[str]:
    """A control token as text; Code Llama's are written with a blank, "▁" or nothing before them."""
    if format is CODELLAMA:
        return re.compile("[ ▁]?" + re.escape(name.removeprefix("▁")))
    return re.compile(re.escape(name))


def _split(format: Format, text: str) -> _Parts | None:
    """The parts of a prompt of this family, None if it is not one."""
    text = text.removeprefix(format.bos) if format.bos else text
    tokens = {name: _token(format, name) for name in (format.prefix, format.suffix)}
    starts = {name: match for name, token in tokens.items() if (match := token.search(text))}
    if len(starts) < 2:
        return None
    one = min(starts, key=lambda name: starts[name].start())
    other = format.suffix if one == format.prefix else format.prefix
    before, rest = text[: starts[one].start()], text[starts[one].end() :]
    written = ""
    if format.middle:
        middles = list(_token(format, format.middle).finditer(rest))
        if not middles:
            return None
        rest, written = rest[: middles[-1].start()], rest[middles[-1].end() :]
        begins = any(text.startswith(name) for name in (format.filename, format.repository) if name)
        if written and before and not begins:
            return None
    elif before or one != format.suffix:
        return None
    border = tokens[other].search(rest)
    if border is None:
        return None
    first, second = rest[: border.start()], rest[border.end() :]
    inside, after = (first, second) if one == format.prefix else (second, first)
    return _Parts(before, inside + written, after, "psm" if one == format.prefix else "spm")


def _likeness(format: Format, text: str, parts: _Parts) -> int:
    """How much speaks for this family among those with the same names."""
    markers = [name for name in (format.filename, format.separator, format.repository, *format.marks) if name]
    headings = parts.before + parts.inside.partition("\n")[0]
    own = any(name in headings for name in markers)
    return 4 * own + 2 * _has_bos(format, text) + (format.order == parts.order)


def _read(format: Format, parts: _Parts, decoded: bool) -> ForeignPrompt:
    """Find the files in the parts. `decoded`: whether the text shows what a tokenizer puts before texts."""
    repository, files = _files_before(format, parts.before)
    path, inside = "", parts.inside
    if format.spaced and (decoded or format is CODELLAMA):
        inside = inside.removeprefix(" ")
    if format.split_heading:
        path, inside = _path_and_text(inside, certain=bool(repository))
    elif format.path == "inside" and format.filename:
        metadata = REPOSITORY.match(inside)
        rest = inside[metadata.end() :] if metadata else inside
        if rest.startswith(format.filename) and "\n" in rest:
            repository = metadata[1] if metadata else repository
            path, inside = _path_and_text(rest.removeprefix(format.filename))
    elif format.path == "inside":
        *within, (path, inside) = _headed(format, inside)
        files += within
    if not path and files and not files[-1][1]:
        path = files.pop()[0]
    return ForeignPrompt(format.family, inside, parts.suffix, path, tuple(filter(any, files)), repository)


def _files_before(format: Format, text: str) -> tuple[str, list[tuple[str, str]]]:
    """Name of the repository and files in the text before the parts; text without a heading is a file without path."""
    if format.separator:
        return "", [_path_and_text(piece) for piece in text.split(format.separator) if piece]
    if not format.filename:
        return "", [("", text)]
    first, *pieces = text.split(format.filename)
    repository = ""
    metadata = REPOSITORY.match(first)
    if format.repository and first.startswith(format.repository):
        repository, first = first.removeprefix(format.repository).strip(), ""
    elif metadata:
        repository, first = metadata[1].strip(), first[metadata.end() :]
    certain = bool(repository) or not format.split_heading
    files = [_path_and_text(piece.removesuffix(format.end), certain) for piece in pieces]
    return repository, [("", first), *files]


def _path_and_text(text: str, certain: bool = True) -> tuple[str, str]:
    """The path on the first line, and what follows; unless `certain`, only if the line looks like a path."""
    line, border, rest = text.partition("\n")
    if not certain and not (border and re.fullmatch(LIKE_A_PATH, line.strip())):
        return "", text
    return line.partition("<gh_stars>")[0].strip(), rest


def _headed(format: Format, text: str) -> list[tuple[str, str]]:
    """The files that headings of mere text separate; the last one is the current file, with path "" if it has none."""
    headings = list(HEADINGS[format.heading].finditer(text))
    if not headings or headings[0].start():
        return [("", text)]
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return [(heading[1], text[heading.end() : end]) for heading, end in zip(headings, ends, strict=True)]
