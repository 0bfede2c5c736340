"""Models with random weights for benchmarks: the time a model takes does not depend on what its weights are."""

import hashlib
import sysconfig
import tempfile
from pathlib import Path

from midspan.context.store import default_cache
from midspan.recipe.load import load_recipe


def random_model(preset: str) -> Path:
    """A GGUF file of a preset with random weights and a tokenizer learned on this Python's library; made once."""
    recipe = load_recipe(preset)
    shape = hashlib.sha256(recipe.model.model_dump_json().encode()).hexdigest()[:8]
    path = default_cache() / "benchmarks" / f"random-{preset}-{shape}-q8_0.gguf"
    if not (path.is_file() and tokenizer_of(path).is_file()):
        from midspan.model.checkpoint import save_hf
        from midspan.model.gguf_export import export_gguf
        from midspan.model.llama import Llama
        from midspan.model.tokenizer import train_tokenizer
        from midspan.prompt.tokenizer import Tokenizer

        learned = train_tokenizer(library_lines(), recipe.tokenizer.vocab_size).to_str()
        model = Llama(recipe.model, Tokenizer.from_json(learned).vocab_size)
        model.initialise(0)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            save_hf(model, learned, Path(folder) / "hf")
            made = Path(folder) / path.name
            export_gguf(Path(folder) / "hf", made, "q8_0", metadata={"midspan.prompt": recipe.prompt.model_dump_json()})
            (Path(folder) / "hf" / "tokenizer.json").replace(tokenizer_of(path))
            made.replace(path)
    return path


def tokenizer_of(model: Path) -> Path:
    """The tokenizer.json of a model made here."""
    return model.with_suffix(".tokenizer.json")


def library_files() -> list[Path]:
    """The modules of this Python's library."""
    return sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))


def library_lines() -> list[str]:
    """Their lines."""
    return "".join(file.read_text(encoding="utf-8") for file in library_files()).splitlines(keepends=True)
