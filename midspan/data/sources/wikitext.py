"""MediaWiki dumps: the articles of a `pages-articles` XML file as prose.

The cleaner is small and honest about it: what makes no prose (templates, tables, references, galleries, code, formulas)
goes, links keep their label, headings their words; markup that never closes is left as the text it is. Sections that
are empty then go as well. Cost: linear in the text, about 8 MB/s.
"""

import html
import re
from collections.abc import Iterator
from typing import IO, Any, NamedTuple
from xml.etree import ElementTree

from midspan.errors import MidspanError

CHUNK = 1_000_000
MAX_PAGE = 64_000_000
"""Bytes of XML between two articles; MediaWiki itself allows two million."""
_ELEMENTS = "ref|gallery|math|chem|timeline|syntaxhighlight|source|score|imagemap|templatestyles|table"
_DROPPED = re.compile(rf"<!--|<({_ELEMENTS})\b[^<>]*>", re.IGNORECASE)
MAX_DEPTH = 100
"""Templates and links nested deeper than this are not looked into."""
_MARK = re.compile(r"\{\{|\}\}|\{\||\|\}(?!\})|\[\[|\]\]")
_CLOSES = {"}}": "{{", "|}": "{|", "]]": "[["}
_NAMESPACES = "File|Image|Category|Media|Datei|Bild|Kategorie|Fichier|Catégorie|Archivo|Categoría|Файл|Категория"
_UNSEEN = re.compile(rf"\s*(?:[a-z]{{2,3}}(?:-[a-z]+)*|(?i:{_NAMESPACES}))\s*:")
"""Beginnings of links to other languages, pictures and categories, in the names that some large Wikipedias use."""
_EXTERNAL = re.compile(r"\[(?:https?:)?//[^\s\[\]]*+[ \t]*+([^\[\]\n]*+)\]")
_BREAK = re.compile(r"<br\s*/?>|</?p\s*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]*>")
_QUOTES = re.compile(r"'{2,5}")
_MAGIC = re.compile(r"__[A-Z]+__")
_HEADING = re.compile(r"^(={2,6})\s*(.*?)\s*\1\s*$")
_LIST = re.compile(r"^[*#:;]+\s*")


class Article(NamedTuple):
    """A page of the main namespace as prose."""

    title: str
    text: str


def articles(stream: IO[bytes]) -> Iterator[Article]:
    """The articles of a dump, in its order; redirects and pages that are none are left out.

    Raises MidspanError for what is not the XML of a dump.
    """
    parser: Any = ElementTree.XMLPullParser(events=("start", "end"))
    root: ElementTree.Element | None = None
    pending = 0
    try:
        while chunk := stream.read(CHUNK):
            parser.feed(chunk)
            pending += len(chunk)
            for event, element in parser.read_events():
                root = element if root is None else root
                if event == "end" and _local(element.tag) == "page":
                    pending = 0
                    if article := _article(element):
                        yield article
                    root.clear()
            if pending > MAX_PAGE:
                raise MidspanError(f"a page of more than {MAX_PAGE:,} bytes", "use a dump of pages-articles")
        parser.close()
    except ElementTree.ParseError as error:
        raise MidspanError(f"it is not the XML of a MediaWiki dump: {error}", "use a dump of pages-articles") from None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _article(page: ElementTree.Element) -> Article | None:
    known = {_local(child.tag): child for child in page.iter()}
    namespace, title, text = (known[name].text if name in known else None for name in ("ns", "title", "text"))
    if namespace != "0" or "redirect" in known or not title or not text:
        return None
    prose = to_prose(text)
    return Article(title, prose) if prose else None


def to_prose(wikitext: str) -> str:
    """Wikitext without markup: paragraphs and headings separated by blank lines, "" if nothing is left."""
    text = _fold(_without_elements(wikitext))
    text = _EXTERNAL.sub(r"\1", text)
    text = _TAG.sub("", _BREAK.sub("\n", text))
    text = html.unescape(_MAGIC.sub("", _QUOTES.sub("", text)))
    lines: list[str] = []
    heading = ""
    for line in text.splitlines():
        line = " ".join(line.split())
        if found := _HEADING.match(line):
            heading = found[2]
        elif not line:
            if lines and lines[-1]:
                lines.append("")
        else:
            if heading:
                lines += [*([""] if lines and lines[-1] else []), heading, ""]
                heading = ""
            if item := _LIST.sub("", line):
                lines.append(f"- {item}" if line[0] in "*#" else item)
    prose = "\n".join(lines).strip()
    return f"{prose}\n" if prose else ""


def _without_elements(text: str) -> str:
    """Comments and elements that hold no prose taken away, as far as they are closed."""
    lower = text.lower()
    last = {close: lower.rfind(close) for close in ("-->", *(f"</{name}" for name in _ELEMENTS.split("|")))}
    kept: list[str] = []
    at = 0
    for match in _DROPPED.finditer(text):
        if match.start() < at:
            continue
        if match.group().endswith("/>"):
            kept.append(text[at : match.start()])
            at = match.end()
            continue
        close = f"</{match[1].lower()}" if match[1] else "-->"
        if last[close] < match.end():
            continue
        end = lower.find(">", lower.find(close, match.end()))
        kept.append(text[at : match.start()])
        at = end + 1 if end >= 0 else len(text)
    return "".join([*kept, text[at:]])


def _fold(text: str) -> str:
    """Templates and tables taken away, links replaced by their labels, from the inside outwards."""
    open_marks: list[tuple[str, list[str]]] = [("", [])]
    at = 0
    for match in _MARK.finditer(text):
        open_marks[-1][1].append(text[at : match.start()])
        at = match.end()
        mark = match.group()
        if mark not in _CLOSES and len(open_marks) < MAX_DEPTH:
            open_marks.append((mark, []))
        elif open_marks[-1][0] == _CLOSES.get(mark):
            _, inside = open_marks.pop()
            if mark == "]]":
                open_marks[-1][1].append(_label("".join(inside)))
        else:
            open_marks[-1][1].append(mark)
    open_marks[-1][1].append(text[at:])
    return "".join(piece for mark, pieces in open_marks for piece in (mark, *pieces))


def _label(link: str) -> str:
    """What is shown of `[[target|label]]`; nothing of pictures, categories and other languages."""
    if _UNSEEN.match(link):
        return ""
    target, bar, label = link.partition("|")
    return label if bar and label else target.lstrip(":")
