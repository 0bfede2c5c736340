"""What Prometheus is told. No metric has a label that a request can choose: names are those of this file's code.

Several workers share one directory (PROMETHEUS_MULTIPROC_DIR, set before this module is first imported); whichever of
them is asked answers for all.
"""

import os
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from midspan.complete.request import Suggestion
from midspan.serve.caller import Caller
from midspan.serve.queue import Shed

EventKind = Literal["view", "select", "dismiss"]
"""What a client says became of a suggestion: it was shown, accepted, or dismissed."""
OUTCOMES = {"view": "shown", "select": "accepted", "dismiss": "dismissed"}
SHARED = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
"""Borders of the histograms: fine where a suggestion is still in time, coarse where it is late anyway."""
CLIENT_GONE = 499
"""Status in the log and the metrics of a request whose client left before the answer, as nginx writes it."""


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"midspan_{name}", text, labels, registry=registry)

        def seconds(name: str, text: str) -> Histogram:
            return Histogram(f"midspan_{name}_seconds", text, buckets=SECONDS, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"midspan_{name}", text, registry=registry, multiprocess_mode="livesum")

        self._requests = counter("requests", "HTTP requests", "dialect", "status")
        self._cancelled = counter("cancelled", "Requests whose client left before the answer")
        self._shed = counter("shed", "Requests sent away, by reason", "reason")
        self._events = counter("suggestions", "What clients say became of suggestions", "outcome")
        self._dropped = counter("suggestions_dropped", "Generations of which nothing was shown, by step", "step")
        self._answers = counter("answers", "Suggestions given, by where they came from", "source")
        self._prompt_tokens = counter("prompt_tokens", "Tokens of prompts")
        self._cached_tokens = counter("cached_tokens", "Tokens of prompts that came from the engine's cache")
        self._generated_tokens = counter("generated_tokens", "Tokens generated")
        self._total = seconds("request", "From the request's arrival to the end of its answer")
        self._queue = seconds("queue", "Waiting for a turn at the engine")
        self._prompt = seconds("prompt", "Reading the prompt")
        self._generation = seconds("generation", "Generating")
        self.waiting = gauge("queue_waiting", "Requests that wait for the engine now")
        self.running = gauge("queue_running", "Requests in work at the engine now")
        self.engine_up = gauge("engine_up", "Whether the engine answered last; of several workers how many")
        self._restarts = counter("engine_restarts", "Engine processes started in place of one that ended")
        self._restarts_seen = 0

    def request(self, dialect: str, status: int, seconds: float) -> None:
        """An HTTP request is over."""
        self._requests.labels(dialect, str(status)).inc()
        self._total.observe(seconds)
        if status == CLIENT_GONE:
            self._cancelled.inc()

    def shed(self, reason: Shed | Literal["user"]) -> None:
        """A request is sent away."""
        self._shed.labels(reason).inc()

    def queued(self, seconds: float) -> None:
        """A request has its turn."""
        self._queue.observe(seconds)

    def suggestion(self, suggestion: Suggestion, caller: Caller) -> None:
        """A generation is over; its figures go to the caller's log line too."""
        timings = suggestion.timings
        self._answers.labels(suggestion.source).inc()
        caller.figures["source"] = suggestion.source
        if suggestion.prompt_tokens:
            self._prompt.observe(timings.prompt_ms / 1000)
            self._generation.observe(timings.generate_ms / 1000)
        self._prompt_tokens.inc(suggestion.prompt_tokens)
        self._cached_tokens.inc(suggestion.cached_tokens)
        self._generated_tokens.inc(suggestion.completion_tokens)
        caller.figures |= {
            "prompt_ms": round(timings.prompt_ms, 1),
            "generate_ms": round(timings.generate_ms, 1),
            "prompt_tokens": suggestion.prompt_tokens,
            "cached_tokens": suggestion.cached_tokens,
            "generated_tokens": suggestion.completion_tokens,
        }
        if suggestion.dropped:
            step = suggestion.steps[-1].name if suggestion.steps else "none"
            self._dropped.labels(step).inc()
            caller.figures["dropped_by"] = step

    def event(self, kind: EventKind) -> None:
        """A client says what became of a suggestion."""
        self._events.labels(OUTCOMES[kind]).inc()

    def engine(self, up: bool, restarts: int) -> None:
        """Whether the engine answered just now, and how often it was started again since this process began."""
        self.engine_up.set(up)
        self._restarts.inc(restarts - self._restarts_seen)
        self._restarts_seen = restarts

    def text(self) -> bytes:
        """Everything in Prometheus' text form, of all workers."""
        if SHARED not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def routes(metrics: Metrics) -> APIRouter:
    """`GET /metrics`."""
    router = APIRouter(tags=["operations"])

    @router.get("/metrics", response_class=PlainTextResponse)
    async def read() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
