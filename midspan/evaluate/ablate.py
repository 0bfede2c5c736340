"""What each part of a completion is worth: the same model and cases, one thing changed at a time.

Ways to ask need no other weights: other context, the other order of the prompt where the family was trained on both,
no token healing, each completion step left out. Quantisations are other files of the same weights; they are made from
the Hugging Face directory of a run or given as one, since a GGUF file cannot be made more precise again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from midspan.complete.pipeline import HEALING, STEPS
from midspan.engine.locate import content_digest, locate
from midspan.engine.protocol import Engine
from midspan.errors import MidspanError
from midspan.evaluate.case_sets import CaseSet
from midspan.evaluate.evaluation import Model, evaluate
from midspan.evaluate.run import Prediction
from midspan.evaluate.systems import ModelSystem, Way
from midspan.model.gguf_export import export_gguf
from midspan.recipe.progress import Progress
from midspan.recipe.schema import Strategy

Part = Literal["context", "order", "healing", "steps", "quantisation"]
PARTS: tuple[Part, ...] = get_args(Part)
AS_IT_IS = "as it is"
PRECISIONS: Sequence[Literal["f32", "f16", "q8_0"]] = ("f32", "f16", "q8_0")


@dataclass(frozen=True)
class Ablation:
    """The predictions by name, `AS_IT_IS` first, and what could not be tried and why."""

    systems: Mapping[str, Sequence[Prediction]]
    left_out: Mapping[str, str]


async def ablate(
    model: Model, way: Way, parts: Sequence[Part], chosen: CaseSet, work: Path, progress: Progress
) -> Ablation:
    """Ask once for everything that can be changed. `work` is a folder for other precisions of the weights."""
    systems: dict[str, Sequence[Prediction]] = {}
    left_out: dict[str, str] = {}
    engine = await model.open()
    try:
        digest = model.digest()
        for name, other in ways(way, engine, parts, left_out):
            system = ModelSystem(name, engine, digest, other)
            systems[name] = await evaluate(system, chosen, model.workers, progress)
        if "order" in parts:
            if engine.format.both_orders:
                engine.format = replace(engine.format, order="psm" if engine.format.order == "spm" else "spm")
                name = f"{engine.format.order.upper()} order"
                system = ModelSystem(name, engine, digest, way)
                systems[name] = await evaluate(system, chosen, model.workers, progress)
            else:
                left_out["order"] = f"models of the family {engine.format.family} are trained on one order only"
    finally:
        await engine.close()
    if "quantisation" in parts:
        try:
            source = locate(model.name, model.runs, hf=True).path
        except MidspanError:
            source = None
        if source is None or source.is_file():
            left_out["quantisation"] = "the model is no run or Hugging Face directory"
        else:
            for precision in PRECISIONS:
                name = f"weights {precision}"
                systems[name] = await _quantised(model, name, source, precision, way, chosen, work, progress)
    return Ablation(systems, left_out)


def ways(way: Way, engine: Engine, parts: Sequence[Part], left_out: dict[str, str]) -> Iterator[tuple[str, Way]]:
    """The ways to ask one open engine, each with its name."""
    prompt = way.prompt or engine.prompt_config
    yield AS_IT_IS, way
    if "context" in parts:
        if engine.format.context == "none":
            left_out["context"] = f"models of the family {engine.format.family} know no context files"
        else:
            for strategy in get_args(Strategy):
                if strategy != prompt.strategy:
                    name = "no context" if strategy == "none" else f"context {strategy}"
                    yield name, replace(way, prompt=prompt.model_copy(update={"strategy": strategy}))
    if "healing" in parts:
        yield "no token healing", replace(way, skip=way.skip | {HEALING})
    if "steps" in parts and not way.raw:
        for step in STEPS:
            yield f"no step {step.name}", replace(way, skip=way.skip | {step.name})
        yield "no step at all", replace(way, raw=True)


async def _quantised(
    model: Model,
    name: str,
    source: Path,
    precision: Literal["f32", "f16", "q8_0"],
    way: Way,
    chosen: CaseSet,
    work: Path,
    progress: Progress,
) -> list[Prediction]:
    file = work / f"{precision}.gguf"
    export_gguf(source, file, precision)
    engine = await replace(model, name=str(file)).open()
    try:
        prompt = way.prompt or locate(model.name, model.runs).prompt or engine.prompt_config
        system = ModelSystem(name, engine, content_digest(file), replace(way, prompt=prompt))
        return await evaluate(system, chosen, model.workers, progress)
    finally:
        await engine.close()
