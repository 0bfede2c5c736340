"""A suggestion as JSON: what the HTTP API answers and `midspan complete --json` prints."""

from dataclasses import asdict
from typing import Any

from midspan.complete.request import Suggestion


def answer(suggestion: Suggestion, model: str, explain: bool) -> dict[str, Any]:
    """The suggestion with its figures; with `explain` also what the prompt held, why, and what each step did."""
    result: dict[str, Any] = {
        "suggestion": suggestion.text,
        "replace": suggestion.replace,
        "confidence": suggestion.confidence,
        "logprob": suggestion.logprob,
        "stop_reason": suggestion.stop_reason,
        "dropped": suggestion.dropped,
        "source": suggestion.source,
        "timings": asdict(suggestion.timings),
        "usage": {
            "prompt_tokens": suggestion.prompt_tokens,
            "cached_tokens": suggestion.cached_tokens,
            "completion_tokens": suggestion.completion_tokens,
        },
    }
    if suggestion.alternatives:
        result["alternatives"] = [
            {"suggestion": each.text, "replace": each.replace, "confidence": each.confidence}
            for each in suggestion.alternatives
        ]
    if explain:
        prompt = suggestion.prompt
        result["explain"] = {
            "model": model,
            "prompt": "".join(part.text for part in prompt.parts),
            "healed": prompt.healed,
            "parts": [asdict(part) for part in prompt.parts],
            "caret": suggestion.caret,
            "steps": [asdict(step) for step in suggestion.steps],
        }
    return result
