"""The LLM judge: any chat model compares completions two by two, each pair in both orders.

Models favour a position (Zheng et al. 2023, section 3.3): a completion wins only if it is preferred in both orders;
where the orders disagree it is a tie, counted and kept aside. Scores are those of `comparisons`. Which pairs: of the
texts of a case at most `comparisons_per_case`, evenly over the list, meet in a circle, so that every one is compared
about equally often. Texts that differ in surrounding whitespace only are one.

Every answer is kept under the hash of the whole question (model, rubric, context, both texts, sampling), so that work
that was killed or is done again asks nothing twice. The budget counts all answers the work rests on, those kept from
before included; tokens are known only afterwards, so the calls under way may go beyond. When it is used up, what lacks
an answer gets no verdict, and the same work with a larger budget goes on from there.

Cost: comparisons_per_case x 2 orders x samples calls a case, each of up to about 2,000 tokens in and 150 out.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midspan.data.cases import Case
from midspan.engine.batch import Journal, Record
from midspan.errors import MidspanError
from midspan.prefer.judges.chat import ChatClient, Refused, Reply
from midspan.prefer.judges.comparisons import Comparison, pairs_to_compare, scores, spread
from midspan.prefer.judges.judge import Verdict
from midspan.prefer.judges.rubric import CRITERIA, SCHEMA, Answer, Messages, Unreadable, messages, read_answer, repair
from midspan.recipe.schema import LlmJudgeConfig
from midspan.recipe.stage import Metrics

SAMPLING_TEMPERATURE = 0.7
"""Where several answers are drawn per order; a single one is drawn at 0."""
UNREADABLE, REFUSED = "unreadable", "refused"
MAX_ANSWER_TOKENS = 400
NOTHING_TO_COMPARE = Verdict(0.5, "nothing to compare with")


@dataclass
class Usage:
    """Calls and tokens of all answers used; `kept`: answers that were there already and cost nothing now."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    kept: int = 0

    def add(self, record: Record) -> None:
        """Count one answer."""
        self.calls += record["calls"]
        self.tokens_in += record["tokens_in"]
        self.tokens_out += record["tokens_out"]


@dataclass(frozen=True)
class _Outcome:
    """One pair in both orders, from the first text's view: `signs` per order, `criteria` summed over the answers."""

    signs: tuple[int, int]
    criteria: Counter[str]

    @property
    def result(self) -> int:
        return self.signs[0] if self.signs[0] == self.signs[1] else 0


class LlmJudge:
    """Asks `client`'s model; `cache` holds the answers, `aside` is written with the disagreements in the end."""

    name = "llm"
    sees_failed = False

    def __init__(
        self, client: ChatClient, settings: LlmJudgeConfig, cache: Path, aside: Path, log: Callable[[str], None]
    ) -> None:
        self.parallel = settings.concurrency
        self.usage = Usage()
        self.answers: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._client, self._settings, self._aside, self._log = client, settings, aside, log
        self._journal = Journal(cache)
        self._known: dict[str, Record] = {record["key"]: record["value"] for record in self._journal.read()}
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._reserved = 0
        self._failure: MidspanError | None = None
        self._disagreements: list[Record] = []

    async def judge(self, case: Case, texts: Sequence[str]) -> list[Verdict | None]:
        """Scores between 0 and 1 relative to the other texts; None for what was not compared."""
        distinct = list(dict.fromkeys(text.strip() for text in texts))
        if len(distinct) < 2:
            return [NOTHING_TO_COMPARE] * len(texts)
        shown = {text.strip(): text for text in reversed(texts)}
        compared = [distinct[number] for number in spread(len(distinct), max(2, self._settings.comparisons_per_case))]
        pairs = pairs_to_compare(len(compared), self._settings.comparisons_per_case)
        outcomes = await asyncio.gather(
            *(self._compare(case, shown[compared[first]], shown[compared[second]]) for first, second in pairs)
        )
        decided = [(pair, outcome) for pair, outcome in zip(pairs, outcomes, strict=True) if outcome is not None]
        verdicts = _verdicts(len(compared), decided)
        by_text = dict(zip(compared, verdicts, strict=True))
        return [by_text.get(text.strip()) for text in texts]

    def status(self) -> str:
        """Calls, tokens and cost so far."""
        usage = self.usage
        cost = f", cost {self.cost:.2f}" if self._settings.price_in or self._settings.price_out else ""
        return f"{usage.calls} calls, {(usage.tokens_in + usage.tokens_out) / 1e6:.2f} M tokens{cost}"

    @property
    def cost(self) -> float:
        """Price of all answers used, in the settings' currency, whenever they were paid."""
        usage, settings = self.usage, self._settings
        return (usage.tokens_in * settings.price_in + usage.tokens_out * settings.price_out) / 1e6

    def metrics(self) -> Metrics:
        """What the answers took, and how sure they were.

        `judge_first_share` is the share of answers naming a side that name the first one, over both orders: 0.5 without
        position bias.
        """
        sided = self.answers["A"] + self.answers["B"]
        return {
            "judge_comparisons": self.counts["compared"],
            "judge_ties": self.counts["tie"],
            "judge_disagreements": self.counts["disagreement"],
            "judge_unreadable": self.answers[UNREADABLE] + self.answers[REFUSED],
            "judge_not_compared": self.counts["over budget"],
            "judge_first_share": round(self.answers["A"] / sided, 3) if sided else 0.5,
            "judge_calls": self.usage.calls,
            "judge_answers_kept": self.usage.kept,
            "judge_tokens_in": self.usage.tokens_in,
            "judge_tokens_out": self.usage.tokens_out,
            "judge_cost": round(self.cost, 4),
        }

    async def close(self) -> None:
        """Write the disagreements aside and close the connections."""
        await self._client.close()
        lines = sorted(json.dumps(record, sort_keys=True) for record in self._disagreements)
        self._aside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    async def _compare(self, case: Case, first: str, second: str) -> _Outcome | None:
        """Both orders of one pair; None if the budget does not allow the answers that are missing."""
        questions = [messages(case, first, second), messages(case, second, first)]
        asked = [(question, seed) for question in questions for seed in range(self._settings.samples)]
        kept = [self._known.get(self._key(*one)) for one in asked]
        missing = kept.count(None)
        if missing and not self._affordable(missing):
            self.counts["over budget"] += 1
            return None
        self._reserved += missing
        for record in kept:
            if record is not None:
                self.usage.kept += 1
                self._use(record)
        answers = iter(
            await asyncio.gather(*(self._answer(*one) for one, record in zip(asked, kept, strict=True) if not record))
        )
        records = [record or next(answers) for record in kept]
        outcome = _outcome(records[: self._settings.samples], records[self._settings.samples :])
        self.counts["compared"] += 1
        self.counts["tie"] += outcome.result == 0
        if outcome.signs[0] != outcome.signs[1] and not _failed(records):
            self.counts["disagreement"] += 1
            given = [{"better": record["better"], "summary": record["summary"]} for record in records]
            self._disagreements.append({"case_id": case.id, "first": first, "second": second, "answers": given})
        return outcome

    def _affordable(self, calls: int) -> bool:
        usage, settings = self.usage, self._settings
        enough = self._calls_fit(calls) and usage.tokens_in + usage.tokens_out < settings.max_tokens
        if not enough and not self.counts["over budget"]:
            self._log(f"the judge's budget is used up ({self.status()}); what it has not compared gives no pairs")
        return enough

    def _calls_fit(self, calls: int) -> bool:
        return self.usage.calls + self._reserved + calls <= self._settings.max_calls

    async def _answer(self, question: Messages, seed: int) -> Record:
        """Ask, and keep the answer."""
        async with self._slots:
            if self._failure is not None:
                raise self._failure
            try:
                record = await self._ask(question, seed)
            except MidspanError as error:
                self._failure = error  # nothing more is sent, though other tasks may have asked already
                raise
        if record["better"] != REFUSED:
            key = self._key(question, seed)
            self._journal.append({"key": key, "value": record})
            self._known[key] = record
        self._reserved -= 1
        self._use(record)
        return record

    def _use(self, record: Record) -> None:
        self.usage.add(record)
        self.answers[record["better"]] += 1

    async def _ask(self, question: Messages, seed: int) -> Record:
        """Ask; if the answer cannot be read, ask once more with what was wrong (if a call is left); then give up."""
        replies: list[Reply] = []
        try:
            replies.append(await self._reply(question, seed))
            answer, problem = _read(replies[0])
            if problem and self._calls_fit(1):
                self._reserved += 1
                try:
                    replies.append(await self._reply(repair(question, replies[0].text, problem), seed))
                finally:
                    self._reserved -= 1
                answer, _ = _read(replies[1])
        except Refused:
            if not self._client.answered:
                raise
            answer = Answer(UNREADABLE if replies else REFUSED, {}, "")
        return {
            "better": answer.better,
            "criteria": answer.criteria,
            "summary": answer.summary,
            "calls": len(replies),
            "tokens_in": sum(reply.tokens_in for reply in replies),
            "tokens_out": sum(reply.tokens_out for reply in replies),
        }

    async def _reply(self, chat: Messages, seed: int) -> Reply:
        return await self._client.ask(
            chat,
            schema=SCHEMA,
            max_tokens=MAX_ANSWER_TOKENS,
            temperature=SAMPLING_TEMPERATURE if self._settings.samples > 1 else 0.0,
            seed=seed,
        )

    def _key(self, question: Messages, seed: int) -> str:
        settings = self._settings
        identity: list[Any] = [settings.model, question, SCHEMA, MAX_ANSWER_TOKENS, settings.samples > 1, seed]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _read(reply: Reply) -> tuple[Answer, str]:
    """The answer and "", or an unreadable one and why."""
    try:
        return read_answer(reply.text), ""
    except Unreadable as problem:
        return Answer(UNREADABLE, {}, ""), str(problem)


def _outcome(forward: Sequence[Record], backward: Sequence[Record]) -> _Outcome:
    """Sum up the answers; in `backward` the first text was shown as B."""
    criteria: Counter[str] = Counter()
    signs = []
    for records, sides in ((forward, {"A": 1, "B": -1}), (backward, {"A": -1, "B": 1})):
        for record in records:
            for name, choice in record["criteria"].items():
                criteria[name] += sides.get(choice, 0)
        votes = sum(sides.get(record["better"], 0) for record in records)
        signs.append((votes > 0) - (votes < 0))
    return _Outcome((signs[0], signs[1]), criteria)


def _failed(records: Sequence[Record]) -> bool:
    return any(record["better"] in (UNREADABLE, REFUSED) for record in records)


def _verdicts(count: int, decided: Sequence[tuple[tuple[int, int], _Outcome]]) -> list[Verdict | None]:
    """The verdicts of the compared texts; None for one whose comparisons were all beyond the budget."""
    values = scores(count, [Comparison(*pair, outcome.result) for pair, outcome in decided])
    verdicts: list[Verdict | None] = []
    for number, value in enumerate(values):
        mine = [(1 if number == pair[0] else -1, outcome) for pair, outcome in decided if number in pair]
        if not mine:
            verdicts.append(None)
            continue
        won = sum((1 + side * outcome.result) / 2 for side, outcome in mine)
        ahead = [name for name in CRITERIA if sum(side * outcome.criteria[name] for side, outcome in mine) > 0]
        reason = f"won {won:g} of {len(mine)} comparisons"
        verdicts.append(Verdict(value, f"{reason}, ahead in {', '.join(ahead)}" if ahead else reason))
    return verdicts
