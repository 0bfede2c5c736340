"""What the pages that Midspan writes have in common: one file each that loads nothing, whatever text it shows.

All text is escaped, and a page's own policy allows no script and no style sheet but those whose hashes it names.
"""

import base64
import hashlib
import html

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


def plain(text: str) -> str:
    """One line as HTML; control characters, which could hide or reorder text, as their names."""
    return html.escape("".join(map(_visible, text)))


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


def _visible(character: str) -> str:
    return character if character.isprintable() or character == "\t" else f"\\u{ord(character):04x}"
