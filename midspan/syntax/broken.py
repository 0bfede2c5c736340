"""Whether a completion brings syntax errors into a document.

The document is parsed once, 0.2 ms per kB, and what is typed afterwards is an edit of its tree, as is every completion,
which costs a few milliseconds in a file of 2,000 lines, more where the file has errors. The result depends on document
and completion alone, never on what was parsed before (see `parse_around`).
"""

from functools import lru_cache

import tree_sitter

from midspan.syntax.languages import LANGUAGES, Language
from midspan.syntax.parse import parse_around, parse_changed, tree_error_count

NEAR = 6_000
"""Characters before and behind the caret that are looked at first."""
STEP = 1_024
"""Characters typed until what is looked at begins elsewhere, so that its tree is of use meanwhile."""


def is_broken(prefix: str, completion: str, suffix: str, language: Language | None, replace: int = 0) -> bool:
    """Whether the file with the completion, in place of `replace` characters of `suffix`, has more syntax errors than
    without it. False if there is no grammar.
    """
    if language is None:
        return False
    tree, errors = read_document(prefix, suffix, language.name)
    before = prefix.encode()
    removed = len(suffix[:replace].encode())
    changed = parse_changed(tree, before + suffix.encode(), language, len(before), removed, completion.encode())
    return tree_error_count(changed) > errors


def breaks(prefix: str, completion: str, suffix: str, language: Language | None, replace: int = 0) -> bool:
    """`is_broken`, asked first of the lines near the caret: what is whole there is taken to be whole."""
    if not is_broken(near_before(prefix), completion, near_behind(suffix), language, replace):
        return False
    return is_broken(prefix, completion, suffix, language, replace)


def near_before(prefix: str) -> str:
    """The last NEAR characters, up to STEP more or less than that, from a line's start on."""
    return prefix if len(prefix) <= NEAR else prefix[prefix.find("\n", (len(prefix) - NEAR) // STEP * STEP) + 1 :]


def near_behind(suffix: str) -> str:
    """The first NEAR characters, up to a line's end."""
    return suffix if len(suffix) <= NEAR else suffix[: suffix.rfind("\n", 0, NEAR) + 1]


@lru_cache(maxsize=256)
def read_document(prefix: str, suffix: str, name: str) -> tuple[tree_sitter.Tree, int]:
    """The tree of a document in the language `name`, and its number of errors; read ahead, `is_broken` is cheap."""
    tree = parse_around(prefix.encode(), suffix.encode(), LANGUAGES[name])
    return tree, tree_error_count(tree)
