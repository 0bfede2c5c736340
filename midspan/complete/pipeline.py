"""The order of the steps, and what each of them did in words."""

from collections.abc import Sequence

from midspan.complete.draft import Draft, Step
from midspan.complete.steps.above import drop_repeated_above
from midspan.complete.steps.broken import drop_broken
from midspan.complete.steps.empty import drop_empty
from midspan.complete.steps.following import stop_at_following_line
from midspan.complete.steps.line import stop_at_line_end
from midspan.complete.steps.overlap import trim_suffix_overlap
from midspan.complete.steps.repetition import stop_at_repetition
from midspan.complete.steps.scope import stop_at_scope_end
from midspan.complete.steps.unfinished import cut_unfinished

STOPS: tuple[Step, ...] = (stop_at_line_end, stop_at_scope_end, stop_at_following_line, stop_at_repetition)
"""Steps that find the end of a suggestion in whole lines; they end the generation while it runs."""
DEFAULT_STEPS: tuple[Step, ...] = (
    *STOPS,
    cut_unfinished,
    trim_suffix_overlap,
    drop_empty,
    drop_repeated_above,
    drop_broken,
)


def run_steps(draft: Draft, steps: Sequence[Step]) -> tuple[Draft, tuple[str, ...]]:
    """Apply the steps in order until one drops the draft. Also answers what the steps that changed something did."""
    notes = []
    for step in steps:
        after = step(draft)
        if after.dropped:
            notes.append(f"{step.__name__}: {after.dropped}")
            return after, tuple(notes)
        if after.text != draft.text:
            notes.append(f"{step.__name__}: {len(draft.text)} -> {len(after.text)} characters")
        draft = after
    return draft, tuple(notes)
