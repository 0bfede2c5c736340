"""Several completions of one case, drawn at several temperatures through the prompt and engine of a live request.

The raw text is kept: no stopping, trimming or dropping, since what those steps hide is what DPO shall unlearn. The
samples of a case follow one another: the first computes the whole prompt anew, so that nothing depends on the cases
before, and the others find it in the engine's cache.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from midspan.context.project import Project
from midspan.data.cases import Case
from midspan.engine.protocol import Engine, GenerateRequest
from midspan.prompt.build import make_prompt
from midspan.recipe.schema import PreferConfig, PromptConfig


@dataclass(frozen=True)
class Sample:
    """One completion. `ended`: the model wrote the end token; otherwise the length limit cut the text."""

    text: str
    temperature: float
    ended: bool


@dataclass(frozen=True)
class Sampled:
    """The different completions of one case, behind the prompt `prompt_ids` whose cut text is `healed`.

    `drawn` and `generated` count all completions and their tokens, those that were drawn twice included.
    """

    prompt_ids: list[int]
    healed: str
    samples: tuple[Sample, ...]
    drawn: int = 0
    generated: int = 0

    def to_record(self) -> dict[str, Any]:
        """JSON values of all fields."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Sampled":
        """The inverse of `to_record`."""
        return cls(**{**record, "samples": tuple(Sample(**sample) for sample in record["samples"])})


async def sample_case(
    engine: Engine, project: Project, case: Case, prompt: PromptConfig, config: PreferConfig, seed: int
) -> Sampled:
    """Sample the case's completions; equal texts are kept once."""
    built = make_prompt(
        engine.tokenizer,
        engine.format,
        project,
        path=case.path,
        prefix=case.prefix,
        suffix=case.suffix,
        strategy=prompt.strategy,
        config=prompt,
    )
    max_tokens = config.max_new_tokens + len(engine.tokenizer.encode(built.healed))
    draws = [
        (temperature, number)
        for temperature in config.temperatures
        for number in range(config.samples_per_temperature if temperature > 0 else 1)
    ]
    samples: dict[str, Sample] = {}
    generated = 0
    for index, (temperature, number) in enumerate(draws):
        generation = await engine.generate(
            GenerateRequest(
                prompt=built.ids,
                max_tokens=max_tokens,
                temperature=temperature,
                seed=_sample_seed(seed, case.id, temperature, number),
                starts_with=built.healed,
                reuse_cache=index > 0,
            )
        )
        generated += generation.completion_tokens
        sample = Sample(generation.text, temperature, generation.stop_reason == "end")
        known = samples.get(sample.text)
        if known is None or (sample.ended and not known.ended):
            samples[sample.text] = sample
    return Sampled(built.ids, built.healed, tuple(samples.values()), len(draws), generated)


def _sample_seed(seed: int, case_id: str, temperature: float, number: int) -> int:
    digest = hashlib.sha256(f"{seed}:{case_id}:{temperature}:{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
