"""What the pages that Midspan writes have in common: one file each that loads nothing, whatever text it shows.

All text is escaped, and a page's own policy allows no script and no style sheet but those whose hashes it names.
"""

import base64
import hashlib
import html
from collections.abc import Sequence

COLOURS = """
:root { color-scheme: light dark; --ink: #1c2024; --dim: #667079; --line: #d9dde1; --paper: #fff; --code: #f6f7f9;
  --good: #12703f; --bad: #a8321f; --goodmark: #c9efd8; --badmark: #fbd9d2; --mark: #2f6fb3; --other: #c08a1e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --dim: #98a2ab; --line: #3a4047; --paper: #17191c;
  --code: #1f2226; --good: #62cf95; --bad: #f28d79; --goodmark: #1d4a32; --badmark: #5b2a22; --mark: #6ea8e0;
  --other: #e0b45c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; }
p { margin: 0 0 .8rem; color: var(--dim); }
pre { margin: 0; padding: .6rem .8rem; background: var(--code); overflow-x: auto; tab-size: 4;
  font: 13px/1.4 ui-monospace, monospace; }
"""
"""Style that every page starts with: light and dark, by the reader's preference."""


REPORT = (
    COLOURS
    + """
h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0 0 .3rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: .5rem 0; border-bottom: 1px solid var(--line); }
a { color: var(--mark); text-decoration: none; }
a:hover { text-decoration: underline; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 1rem 2rem; }
figure { margin: 0; min-width: 0; }
svg { display: block; width: 100%; max-width: 42rem; height: auto; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; font-weight: 600; color: var(--dim); }
th, td { padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.name { overflow-wrap: anywhere; min-width: 11rem; }
"""
)
"""Style of a report: sections, plots side by side, tables."""


def plain(text: str) -> str:
    """One line as HTML; control characters, which could hide or reorder text, as their names."""
    return html.escape("".join(map(_visible, text)))


def visible(text: str) -> str:
    """Text of several lines for a script to show, control characters as their names."""
    return "".join(character if character == "\n" else _visible(character) for character in text)


def source_hash(content: str) -> str:
    """How a content security policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def head(title: str, style: str, policy: str) -> str:
    """The page up to its body; nothing is allowed but what `policy` adds."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; {policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{plain(title)}</title>\n'
        f"<style>{style}</style></head>"
    )


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls where the page is too narrow; columns of numbers are set as such."""
    numeric = [bool(rows) and all(_is_number(row[place]) for row in rows) for place in range(len(titles))]

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = ["n" if is_number else "name" if not place else "" for place, is_number in enumerate(numeric)]
        return "".join(f'<{tag} class="{kind}">{plain(cell)}</{tag}>' for kind, cell in zip(kinds, row, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{cells("th", titles)}</tr>{body}</table></div>'


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("+-")[:1].isdigit()


def _visible(character: str) -> str:
    return character if character.isprintable() or character == "\t" else f"\\u{ord(character):04x}"
