"""The human judge: labels that a person gave to pairs of completions, kept one per line and never lost.

The file is only ever appended to, each line synced to disk before the next pair is shown; taking a label back is a line
of its own. Texts are named by their hash, so that a label holds for the same two texts however the pairs are built.
"""

import datetime
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from midspan.data.cases import Case
from midspan.engine.batch import Record
from midspan.errors import MidspanError
from midspan.prefer.judges.comparisons import Comparison, scores
from midspan.prefer.judges.judge import LocalJudge, Verdict

TIE, SKIP = "tie", "skip"


def text_name(text: str) -> str:
    """The hash by which labels name a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def pair_name(case_id: str, texts: tuple[str, str]) -> str:
    """The hash of a pair, whichever text comes first."""
    return hashlib.sha256(":".join([case_id, *sorted(map(text_name, texts))]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Label:
    """What a person said of a pair. `shown`: the two texts' names as they stood; `better`: a name, `tie` or `skip`."""

    pair: str
    case_id: str
    shown: tuple[str, str]
    better: str
    time: str

    @property
    def side(self) -> int:
        """1 or -1 for the text that stood first or second, 0 for neither."""
        return (self.better == self.shown[0]) - (self.better == self.shown[1])


class Labels:
    """The labels in a file, the last one of each pair, in the order they were given."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_pair: dict[str, Label] = {}
        for number, line in enumerate(_whole_lines(path), 1):
            try:
                self._apply(json.loads(line))
            except (KeyError, TypeError, ValueError):
                raise MidspanError(f"{path}:{number}: this line is not a label", "mend or remove it") from None

    def add(self, case_id: str, texts: tuple[str, str], better: str) -> Label:
        """Keep a label; it is on disk when this returns."""
        names = (text_name(texts[0]), text_name(texts[1]))
        time = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        label = Label(pair_name(case_id, texts), case_id, names, better, time)
        self._write(asdict(label))
        return label

    def undo(self) -> Label | None:
        """Take the last label back; it, or None if there is none."""
        if not self.by_pair:
            return None
        last = list(self.by_pair.values())[-1]
        self._write({"undo": last.pair})
        return last

    def _apply(self, record: Record) -> None:
        if "undo" in record:
            del self.by_pair[record["undo"]]
            return
        first, second = record["shown"]
        label = Label(**{**record, "shown": (first, second)})
        self.by_pair.pop(label.pair, None)
        self.by_pair[label.pair] = label

    def _write(self, record: Record) -> None:
        try:
            with self.path.open("ab") as file:
                file.write(json.dumps(record).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise MidspanError(f"cannot write {self.path}: {error.strerror}", "make room or mend its rights") from None
        self._apply(record)


def _whole_lines(path: Path) -> list[bytes]:
    """The file's lines; a last one that a kill has torn is cut off, so that the next one starts afresh."""
    if not path.exists():
        return []
    content = path.read_bytes()
    *lines, torn = content.split(b"\n")
    if torn:
        os.truncate(path, len(content) - len(torn))
    return lines


class HumanJudge(LocalJudge):
    """Scores texts by the labels of `midspan review`; says nothing of texts nobody has compared."""

    name = "human"
    sees_failed = True  # a pair nobody looked at must not crowd out one that somebody did

    def __init__(self, labels: Labels) -> None:
        self._by_case: dict[str, list[Label]] = {}
        for label in labels.by_pair.values():
            if label.better != SKIP:
                self._by_case.setdefault(label.case_id, []).append(label)

    async def judge(self, case: Case, texts: Sequence[str]) -> list[Verdict | None]:
        """See `Judge`."""
        numbers = {text_name(text): number for number, text in enumerate(texts)}
        labels = [label for label in self._by_case.get(case.id, ()) if all(name in numbers for name in label.shown)]
        comparisons = [Comparison(numbers[one.shown[0]], numbers[one.shown[1]], one.side) for one in labels]
        compared = {number for one in comparisons for number in (one.first, one.second)}
        return [
            Verdict(score, "compared by a person") if number in compared else None
            for number, score in enumerate(scores(len(texts), comparisons))
        ]
