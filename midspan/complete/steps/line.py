"""Single-line suggestions end with their line."""

import re
from bisect import bisect_left

from midspan.complete.brackets import brackets_of
from midspan.complete.draft import Draft
from midspan.syntax.brackets import OPENERS

_BREAK = re.compile(r"[\r\n]")


def stop_at_line_end(draft: Draft) -> Draft:
    """Keep the text before the first line break at which no bracket is open that the text opened.

    In a string or a comment brackets mean nothing. Nothing is done where several lines are wanted.
    """
    if draft.block or not _BREAK.search(draft.text):
        return draft
    brackets = [] if draft.quoted else brackets_of(draft)
    offsets = [offset for offset, _ in brackets]
    depths = [0]
    for _, bracket in brackets:
        depths.append(depths[-1] + 1 if bracket in OPENERS else max(0, depths[-1] - 1))
    ends = (match.start() for match in _BREAK.finditer(draft.text))
    end = next((end for end in ends if not depths[bisect_left(offsets, end)]), None)
    return draft if end is None else draft.cut(end)
