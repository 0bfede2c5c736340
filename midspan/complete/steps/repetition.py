"""Small models fall into loops; what comes round a third time is noise."""

import re

from midspan.complete.draft import Draft

MAX_PERIOD = 8
"""Lines of the longest loop that is looked for."""
ROUNDS = 3
_WITHIN_LINE = re.compile(r"([^\r\n]{8,40}?)\1{3,}")


def stop_at_repetition(draft: Draft) -> Draft:
    """Cut after the first round of lines that come three times in a row, or of a piece of a line that comes four times.

    Blank lines are passed over and indentation does not count. Cost: lines times MAX_PERIOD.
    """
    ends, lines, end = [], [], 0
    for line in draft.text.splitlines(keepends=True):
        end += len(line)
        if line.strip():
            lines.append(line.strip())
            ends.append(end - len(line) + len(line.rstrip()))
    cuts = [match.end(1) for match in [_WITHIN_LINE.search(draft.text)] if match]
    for start in range(len(lines)):
        for period in range(1, min(MAX_PERIOD, (len(lines) - start) // ROUNDS) + 1):
            rounds = [lines[start + n * period : start + (n + 1) * period] for n in range(ROUNDS)]
            if all(round == rounds[0] for round in rounds):
                cuts.append(ends[start + period - 1])
                break
    return draft.cut(min(cuts)) if cuts else draft
