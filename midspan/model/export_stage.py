"""Stage `export`: the final model as a Hugging Face directory and as GGUF files, with its prompt settings inside."""

import shutil

from midspan.model.gguf_export import export_gguf
from midspan.recipe.stage import Metrics, StageContext


def run(context: StageContext) -> Metrics:
    """Copy the `hf` directory of stage `dpo` and write `model-<dtype>.gguf` for each dtype the recipe names."""
    source, recipe = context.inputs["dpo"] / "hf", context.recipe
    shutil.copytree(source, context.work / "hf", dirs_exist_ok=True)
    metadata = {
        "midspan.prompt": recipe.prompt.model_dump_json(),
        "midspan.complete": recipe.complete.model_dump_json(),
        "general.name": recipe.name,
    }
    metrics: Metrics = {}
    with context.progress.task("export", len(recipe.export.gguf)) as task:
        for dtype in recipe.export.gguf:
            target = context.work / f"model-{dtype}.gguf"
            export_gguf(source, target, dtype, metadata=metadata)
            metrics[f"{dtype}_bytes"] = target.stat().st_size
            task.advance()
    return metrics
