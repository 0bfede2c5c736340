"""Suggestions are there to do the work; a stub says that somebody else shall do it."""

import re

from midspan.complete.draft import Draft
from midspan.syntax.stubs import PLACEHOLDER, is_empty_body, is_full_of_stubs

ABSTRACT = re.compile(r"abstract|overload|Protocol|interface|\bstub", re.IGNORECASE)
"""What says, above the caret, that a body is not wanted here."""
ASKED = re.compile(r"\b(?:todo|fixme|xxx|pass|raise|throw|panic|unimplemented|not)\b|\.\.", re.IGNORECASE)
"""What says, on the caret's own line, that the user is writing a stub."""
LINES_ABOVE = 6


def cut_placeholder(draft: Draft) -> Draft:
    """Keep what stands before the first line with a placeholder; drop what is a placeholder only.

    Placeholders are `TODO` comments, errors of the kind "not implemented", "your code here", and in Python a function's
    body that is `pass` or `...` only. Nothing is done where they belong: the caret's line asks for one, the lines above
    speak of something abstract, or half of the file's functions have no body either.
    """
    found = PLACEHOLDER.search(draft.text)
    empty = found is None and is_empty_body(draft.prefix, draft.text)
    if (found is None and not empty) or _is_wanted(draft):
        return draft
    kept = draft.text[: found.start()] if found else ""
    end = max(kept.rfind("\n"), kept.rfind("\r")) + 1
    if draft.text[:end].strip():
        return draft.cut(len(draft.text[:end].rstrip()))
    return draft.drop("is a placeholder")


def _is_wanted(draft: Draft) -> bool:
    if ASKED.search(draft.line_before):
        return True
    above = "\n".join(draft.prefix.splitlines()[-LINES_ABOVE:])
    return ABSTRACT.search(above) is not None or is_full_of_stubs(draft.prefix + draft.suffix)
