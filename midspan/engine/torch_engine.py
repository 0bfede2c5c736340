"""The reference engine: our own Llama in PyTorch, decoded token by token without any cache.

Every token computes the whole text anew, so it serves for comparison, not for editors; it is opened only if asked for.
Only tokens whose bytes agree with the rest of `starts_with` are allowed until that text is complete.
"""

import asyncio
import codecs
import time
from pathlib import Path
from typing import TYPE_CHECKING

from midspan.engine.assemble import Assembler, stream_healed
from midspan.engine.calibration import Calibration
from midspan.engine.protocol import (
    GenerateRequest,
    Generation,
    StopReason,
    Stream,
    collect,
    default_prompt,
    token_room,
)
from midspan.errors import MidspanError
from midspan.prompt.formats import Format, detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import CompleteConfig, PromptConfig

if TYPE_CHECKING:
    import torch

    from midspan.model.llama import Llama


class TorchEngine:
    """An Engine over a `Llama` module; see `open_torch`."""

    complete_config = CompleteConfig()
    calibration: Calibration | None = None
    restarts = 0

    def __init__(
        self, name: str, model: "Llama", tokenizer: Tokenizer, format: Format, prompt_config: PromptConfig | None
    ) -> None:
        self.name, self.tokenizer, self.format = name, tokenizer, format
        self.context_length = model.config.context_length
        self.prompt_config = prompt_config or default_prompt(self.context_length)
        self._model = model
        self._control_ids = {tokenizer.special(special) for special in tokenizer.specials}

    def stream(self, request: GenerateRequest) -> Stream:
        """Generate: deltas, then one Generation; see `Engine.stream`."""
        return stream_healed(self._stream_once, request, self.tokenizer)

    async def generate(self, request: GenerateRequest) -> Generation:
        """Generate and wait for the end."""
        return await collect(self.stream(request))

    async def prefill(self, request: GenerateRequest) -> None:
        """Nothing: there is no cache to read the prompt into."""

    async def close(self) -> None:
        """Nothing to release."""

    async def _stream_once(self, request: GenerateRequest) -> Stream:
        """One generation, each token in a worker thread. Raises StartMismatch if the healed text is not complete."""
        import torch

        room = token_room(request, self.context_length)
        assembler = Assembler(request)
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        random = torch.Generator().manual_seed(request.seed)
        ids, owed = list(request.prompt), request.starts_with.encode()
        pending: tuple[float, ...] = ()
        reason: StopReason = "length"
        started = time.perf_counter()
        prompt_ms = 0.0
        while len(ids) < len(request.prompt) + room:
            token, logprob = await asyncio.to_thread(self._next, ids, owed, request, random)
            prompt_ms = prompt_ms or (time.perf_counter() - started) * 1000
            if token in self._control_ids:
                reason = "end"
                break
            ids.append(token)
            piece = self.tokenizer.token_bytes(token)
            owed = owed[len(piece) :]
            pending += (logprob,)
            text = decoder.decode(piece)
            if not text:
                continue
            delta = assembler.push(text, pending)
            pending = ()
            if delta is not None:
                yield delta
            if assembler.stopped:
                reason = "stop"
                break
        delta = assembler.finish()
        if delta is not None:
            yield delta
        yield Generation(
            text=assembler.text,
            logprobs=assembler.logprobs,
            stop_reason=reason,
            prompt_tokens=len(request.prompt),
            cached_tokens=0,
            prompt_ms=prompt_ms,
            generate_ms=(time.perf_counter() - started) * 1000 - prompt_ms,
            completion_tokens=len(ids) - len(request.prompt) + (reason == "end"),
        )

    def _next(
        self, ids: list[int], owed: bytes, request: GenerateRequest, random: "torch.Generator"
    ) -> tuple[int, float]:
        """The next token and its log-probability under the unconstrained model."""
        import torch

        with torch.inference_mode():
            logprobs = torch.log_softmax(self._model(torch.tensor([ids]))[0, -1].float(), dim=-1)
            choice = logprobs.clone()
            if owed:
                choice[~torch.tensor(self._allowed(owed))] = -torch.inf
            if request.temperature == 0:
                token = int(choice.argmax())
            else:
                token = _sample(choice / request.temperature, request.top_p, random)
            return token, float(logprobs[token])

    def _allowed(self, owed: bytes) -> list[bool]:
        """Of each token, whether its bytes agree with the bytes still owed."""
        pieces = (self.tokenizer.token_bytes(id) for id in range(self.tokenizer.vocab_size))
        return [
            id not in self._control_ids and bool(piece) and (owed.startswith(piece) or piece.startswith(owed))
            for id, piece in enumerate(pieces)
        ]


def _sample(scores: "torch.Tensor", top_p: float, random: "torch.Generator") -> int:
    """Draw from the smallest set of tokens whose probabilities reach `top_p` (arXiv 1904.09751)."""
    import torch

    probabilities, order = torch.softmax(scores, dim=-1).sort(descending=True)
    probabilities[probabilities.cumsum(0) - probabilities >= top_p] = 0
    return int(order[torch.multinomial(probabilities, 1, generator=random)])


def open_torch(
    hf_dir: Path, *, name: str = "", family: str | None = None, prompt_config: PromptConfig | None = None
) -> TorchEngine:
    """Open a Hugging Face directory. Raises MidspanError if it is not a whole Llama or PyTorch is not installed."""
    try:
        from midspan.model.checkpoint import load_hf
    except ModuleNotFoundError as error:
        raise MidspanError(
            f"the PyTorch engine needs the package {error.name}", "install it with: pip install 'midspan[train]'"
        ) from None
    model = load_hf(hf_dir)
    model.eval()
    tokenizer = Tokenizer.load(hf_dir)
    return TorchEngine(name or hf_dir.name, model, tokenizer, detect_format(tokenizer, family), prompt_config)
