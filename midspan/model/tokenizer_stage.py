"""Stage `tokenizer`: learn the vocabulary from the training split and say how well it packs held-out text."""

import hashlib
import math
from collections.abc import Iterable, Iterator

from midspan.data.corpus import Document, documents
from midspan.errors import MidspanError
from midspan.model.tokenizer import train_tokenizer
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.stage import Metrics, StageContext

REPORT_CHARACTERS = 2_000_000


def by_content(found: Iterable[Document]) -> list[Document]:
    """In the order of content hashes: a fixed order that mixes projects and languages."""
    return sorted(found, key=lambda document: (document.sha256, document.project, document.path))


def sample(found: Iterable[Document], limit: int) -> Iterator[str]:
    """Texts until `limit` bytes are reached; the text that passes it is the last.

    Each document comes once at most, those that the mix repeats sooner: they are drawn without replacement with
    `repeats` as weights (Efraimidis and Spirakis 2006), their hashes as the random numbers.
    """
    used = 0
    drawn = [(_draw(document), document) for document in by_content(found) if document.repeats]
    for _, document in sorted(drawn, key=lambda each: each[0]):
        if used >= limit:
            return
        used += len(document.text.encode())
        yield document.text


def _draw(document: Document) -> float:
    """An exponential variate of rate `repeats` that grows with the hash."""
    return -math.log1p(-int(document.sha256[:13], 16) / 16**13) / document.repeats


def run(context: StageContext) -> Metrics:
    """Write `tokenizer.json`; metrics are characters per token on the validation split, in all and by language."""
    config, data = context.recipe.tokenizer, context.inputs["data"]
    context.progress.log(f"tokenizer: learning {config.vocab_size} tokens")
    text = train_tokenizer(sample(documents(data, "train"), config.sample_bytes), config.vocab_size).to_str()
    (context.work / "tokenizer.json").write_text(text, encoding="utf-8")
    tokenizer = Tokenizer.from_json(text)
    return {
        "vocab_size": tokenizer.vocab_size,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        **characters_per_token(tokenizer, by_content(documents(data, "valid"))),
    }


def characters_per_token(tokenizer: Tokenizer, held_out: Iterable[Document]) -> Metrics:
    """`characters_per_token` over the first two million characters, and one `characters_per_token_<language>` each."""
    counts: dict[str, tuple[int, int]] = {}
    left = REPORT_CHARACTERS
    for document in held_out:
        if left <= 0:
            break
        left -= len(document.text)
        characters, tokens = counts.get(document.language, (0, 0))
        counts[document.language] = characters + len(document.text), tokens + len(tokenizer.encode(document.text))
    tokens = sum(tokens for _, tokens in counts.values())
    if not tokens:
        raise MidspanError("the validation split holds no text", "add projects to data.sources")
    metrics: Metrics = {"characters_per_token": sum(characters for characters, _ in counts.values()) / tokens}
    for language, (characters, tokens) in sorted(counts.items()):
        metrics[f"characters_per_token_{language}"] = characters / max(tokens, 1)
    return metrics
