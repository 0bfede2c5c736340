"""The steps from generated text to a suggestion: their names and order, and what each of them did in words."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from midspan.complete.draft import Draft
from midspan.complete.request import StepReport
from midspan.complete.steps.above import drop_repeated_above
from midspan.complete.steps.broken import drop_broken
from midspan.complete.steps.empty import drop_empty
from midspan.complete.steps.following import stop_at_following_line
from midspan.complete.steps.line import stop_at_line_end
from midspan.complete.steps.overlap import trim_suffix_overlap
from midspan.complete.steps.placeholder import cut_placeholder
from midspan.complete.steps.repetition import stop_at_repetition
from midspan.complete.steps.scope import stop_at_scope_end
from midspan.complete.steps.secret import drop_secret
from midspan.complete.steps.style import take_style
from midspan.complete.steps.unfinished import cut_unfinished
from midspan.complete.steps.unsure import drop_unsure
from midspan.errors import MidspanError

HEALING = "healing"
"""Name of token healing, which is no step on the text but a part of the prompt; see `midspan.prompt.heal`."""


@dataclass(frozen=True)
class Step:
    """A pure function with the name by which it is switched off.

    `stops` says when it can also end a running generation: when a line is whole, or after any piece of text.
    """

    name: str
    apply: Callable[[Draft], Draft]
    stops: Literal["", "line", "any"] = ""


STEPS = (
    Step("style", take_style),
    Step("line", stop_at_line_end, stops="line"),
    Step("scope", stop_at_scope_end, stops="any"),
    Step("following", stop_at_following_line, stops="line"),
    Step("repetition", stop_at_repetition, stops="line"),
    Step("unfinished", cut_unfinished),
    Step("placeholder", cut_placeholder),
    Step("overlap", trim_suffix_overlap),
    Step("empty", drop_empty),
    Step("above", drop_repeated_above),
    Step("broken", drop_broken),
    Step("secret", drop_secret),
    Step("unsure", drop_unsure),
)
NAMES = (HEALING, *(step.name for step in STEPS))


def checked(names: Collection[str]) -> frozenset[str]:
    """`names` as a set. Raises MidspanError if one of them is no step."""
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise MidspanError(f"there is no step {unknown[0]}", f"the steps are {', '.join(NAMES)}")
    return frozenset(names)


def run_steps(draft: Draft, steps: Sequence[Step] = STEPS) -> tuple[Draft, tuple[StepReport, ...]]:
    """Apply the steps in order until one drops the draft; a report of each step that was taken."""
    reports = []
    for step in steps:
        started = time.perf_counter()
        after = step.apply(draft)
        reports.append(StepReport(step.name, _change(draft, after), (time.perf_counter() - started) * 1_000))
        draft = after
        if draft.dropped:
            break
    return draft, tuple(reports)


def _change(before: Draft, after: Draft) -> str:
    if after.dropped:
        return f"dropped: {after.dropped}"
    done = [f"{len(before.text)} -> {len(after.text)} characters"] if after.text != before.text else []
    if after.replace != before.replace:
        done.append(f"replaces {after.suffix[: after.replace]!r}")
    return ", ".join(done)
