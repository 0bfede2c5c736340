"""The feedback judge: what users accepted, rejected and edited becomes preferences, where they allowed code to be kept.

The input is a file with one JSON object per line, an event of one suggestion in an editor:

    event      "shown", "accepted", "rejected" (dismissed by the user, not merely typed past) or "edited" (accepted,
               then changed)
    keep_code  true if the user allowed this code to be kept; without it the event is counted and nothing of it read
    time       when, as ISO 8601 with an offset
    language, path, prefix, suffix, text
               where the suggestion stood and what it was; an event without prefix, suffix or text is only counted
    final      for "edited": what the user made of it

Other fields are ignored. Events with the same path, prefix and suffix are of one case; of a text's events the last one
counts. An accepted text scores 1, a rejected one 0, an edited one its edit similarity to what it became, which itself
scores 1 and is the case's true middle. A text that was only shown gets no verdict.
"""

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from midspan.data.cases import Case
from midspan.errors import MidspanError
from midspan.prefer.judges.judge import LocalJudge, Verdict
from midspan.prefer.judges.reference import edit_similarity
from midspan.prefer.sampling import Sample, Sampled
from midspan.prompt.build import make_prompt
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import PromptConfig
from midspan.recipe.stage import Metrics

EVENTS = ("shown", "accepted", "rejected", "edited")
CODE = ("prefix", "suffix", "text")


@dataclass
class Feedback:
    """The cases that users were shown suggestions at, the verdict on each text, and how many events were what."""

    cases: list[Case] = field(default_factory=list)
    verdicts: dict[str, dict[str, Verdict]] = field(default_factory=dict)
    shown: dict[str, list[str]] = field(default_factory=dict)
    """What the model wrote, by case id."""
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Event:
    kind: str
    time: datetime.datetime
    language: str
    path: str
    prefix: str
    suffix: str
    text: str
    final: str


class FeedbackJudge(LocalJudge):
    """Knows the texts of `read_feedback` and says nothing of others."""

    name = "feedback"
    sees_failed = True  # a pair no user decided must not crowd out one that somebody did

    def __init__(self, feedback: Feedback) -> None:
        self._feedback = feedback

    async def judge(self, case: Case, texts: Sequence[str]) -> list[Verdict | None]:
        """See `Judge`."""
        known = self._feedback.verdicts.get(case.id, {})
        return [known.get(text) for text in texts]

    def metrics(self) -> Metrics:
        """How many events were used, and why others were not."""
        names = ("events", "without_consent", "without_code")
        return {f"feedback_{name}": self._feedback.counts[name] for name in names}


def read_feedback(path: Path) -> Feedback:
    """Read a file of events. Raises MidspanError with file and line for what is not an event."""
    feedback = Feedback()
    events: dict[tuple[str, str, str], list[_Event]] = {}
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                feedback.counts["events"] += 1
                event = _event(line, f"{path}:{number}", feedback.counts)
                if event is not None:
                    events.setdefault((event.path, event.prefix, event.suffix), []).append(event)
    except (OSError, UnicodeDecodeError) as error:
        raise MidspanError(f"cannot read the feedback {path}: {error}", "give a file of events") from None
    for group in events.values():
        _add_case(feedback, sorted(group, key=lambda event: event.time))
    return feedback


def feedback_samples(
    feedback: Feedback, tokenizer: Tokenizer, form: Format, prompt: PromptConfig
) -> dict[str, Sampled]:
    """What the model wrote at each case, behind a prompt of the file alone: the project is not at hand any more."""
    samples = {}
    for case in feedback.cases:
        built = make_prompt(
            tokenizer,
            form,
            None,
            path=case.path,
            prefix=case.prefix,
            suffix=case.suffix,
            strategy="none",
            config=prompt,
        )
        texts = feedback.shown[case.id]
        samples[case.id] = Sampled(built.ids, built.healed, tuple(Sample(text, 0.0, True) for text in texts))
    return samples


def _event(line: str, place: str, counts: Counter[str]) -> _Event | None:
    """The event of one line; None, counted, where it may not or cannot be used."""
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise MidspanError(f"{place}: this line is not a JSON object", "write one event per line")
    if record.get("keep_code") is not True:
        counts["without_consent"] += 1
        return None
    if record.get("event") not in EVENTS:
        raise MidspanError(f"{place}: the event is none of {', '.join(EVENTS)}", "correct `event`")
    kind = record["event"]
    if any(record.get(name) is None for name in CODE) or (kind == "edited" and record.get("final") is None):
        counts["without_code"] += 1
        return None
    texts = {name: _string(record, name, place) for name in ("language", "path", *CODE)}
    return _Event(
        kind, _time(record, place), **texts, final=_string(record, "final", place) if kind == "edited" else ""
    )


def _string(record: dict[str, Any], name: str, place: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise MidspanError(f"{place}: `{name}` is not a string", f"correct `{name}`")
    return value


def _time(record: dict[str, Any], place: str) -> datetime.datetime:
    try:
        time = datetime.datetime.fromisoformat(_string(record, "time", place))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise MidspanError(f"{place}: `time` is not an ISO 8601 time with an offset", "write 2025-01-31T12:00:00Z")
    return time


def _add_case(feedback: Feedback, events: Sequence[_Event]) -> None:
    """Make a case of the events of one place, the earliest first."""
    verdicts: dict[str, Verdict] = {}
    middle = ""
    for event in events:
        if event.kind == "accepted":
            verdicts[event.text], middle = Verdict(1.0, "accepted"), event.text
        elif event.kind == "rejected":
            verdicts[event.text] = Verdict(0.0, "rejected")
        elif event.kind == "edited":
            similarity = edit_similarity(event.final, event.text)
            verdicts[event.text] = Verdict(similarity, f"edited, similarity {similarity:.2f}")
            verdicts[event.final], middle = Verdict(1.0, "written by the user"), event.final
    place = events[0]
    identity = json.dumps([place.path, place.prefix, place.suffix])
    case = Case(
        id=hashlib.sha256(identity.encode()).hexdigest()[:16],
        project="feedback",
        path=place.path,
        language=place.language,
        prefix=place.prefix,
        middle=middle,
        suffix=place.suffix,
        kind="feedback",
        unit="feedback",
        licence="",
        source="feedback",
    )
    feedback.cases.append(case)
    feedback.verdicts[case.id] = verdicts
    feedback.shown[case.id] = list(dict.fromkeys(event.text for event in events))
