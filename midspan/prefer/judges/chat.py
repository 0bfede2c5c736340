"""A client for chat endpoints of the OpenAI kind (`/v1/chat/completions`): one question, one answer, with retries.

Servers differ in what they take. JSON answers are asked for by `response_format` with a schema (OpenAI, vLLM,
llama.cpp, SGLang); a server that refuses a field is asked again without it, and from then on never with it.
Refused for now (408, 409, 425, 429, 5xx, timeouts, broken connections): tried again after `Retry-After` or an
exponential pause. The key goes into one header and nowhere else: it is cut out of every message.
"""

import asyncio
import email.utils
import random
import time
from dataclasses import dataclass
from typing import Any

import httpx

from midspan.engine.protocol import EngineError
from midspan.errors import MidspanError

ATTEMPTS = 6
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
LONGEST_RETRY_AFTER = 600.0
"""Seconds; a server that asks for more patience is given up."""
CONNECT_SECONDS = 10.0
PASSING = frozenset({408, 409, 425, 429})
OPTIONAL = {
    "response_format": ("response_format", "json_schema"),
    "seed": ("seed",),
    "temperature": ("temperature",),
}
"""Fields that can be left out, and the words by which a refusal names them."""
KEY_PROBLEM = "put a valid key into the environment variable that [prefer.llm] api_key_env names"


@dataclass(frozen=True)
class Reply:
    """The answer's text and the tokens the server counted (0 where it does not say)."""

    text: str
    tokens_in: int
    tokens_out: int


class Refused(MidspanError):
    """The server takes the endpoint, key and model, but not this question (too long, filtered)."""


class ChatClient:
    """Asks one model at one endpoint (with or without its `/v1`)."""

    def __init__(self, endpoint: str, model: str, key: str | None, timeout: float) -> None:
        base = endpoint.rstrip("/")
        self.model = model
        self.answered = 0
        self._key = key
        self._dropped: set[str] = set()
        self._length_field = "max_tokens"
        try:
            self._client = httpx.AsyncClient(
                base_url=base if base.endswith("/v1") else f"{base}/v1",
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
            )
        except httpx.InvalidURL as error:
            raise MidspanError(f"the judge's endpoint is not a URL: {error}", "mend [prefer.llm] endpoint") from None
        except UnicodeEncodeError:
            raise MidspanError("the judge's key is not plain ASCII text", KEY_PROBLEM) from None
        url = self._client.base_url
        self._where = f"{url.scheme}://{url.netloc.decode()}{url.path}"  # without a user and password

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(
        self, messages: list[dict[str, str]], *, schema: dict[str, Any], max_tokens: int, temperature: float, seed: int
    ) -> Reply:
        """One answer.

        Raises EngineError if the server keeps failing, Refused if it refuses this question alone, and MidspanError if
        it refuses the key, the model or the address.
        """
        fields = {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": schema},
            },
            "temperature": temperature,
            "seed": seed,
        }
        pause, problem = FIRST_PAUSE, ""
        attempt = 0
        while attempt < ATTEMPTS:
            sent = {name: value for name, value in fields.items() if name not in self._dropped}
            body = {"model": self.model, "messages": messages, self._length_field: max_tokens, **sent}
            length_field = self._length_field
            attempt += 1
            wait = pause * random.uniform(0.5, 1.0)
            try:
                response = await self._client.post("chat/completions", json=body)
            except httpx.UnsupportedProtocol as error:
                raise MidspanError(
                    f"the judge's endpoint {self._where} cannot be used: {error}", "give an http(s) URL"
                ) from None
            except httpx.RequestError as error:
                problem = f"no answer ({type(error).__name__})"
                if not self.answered and isinstance(error, httpx.ConnectError):
                    break
            else:
                if response.status_code == httpx.codes.OK:
                    return self._reply(response)
                problem = self._reason(response)
                if self._gives_way(response, sent, length_field):
                    attempt -= 1  # bounded by the number of fields that can be left out
                    continue
                if not _may_pass(response):
                    raise self._refusal(response.status_code, problem)
                wait = max(wait, _retry_after(response))
                if wait > LONGEST_RETRY_AFTER:
                    break
            if attempt < ATTEMPTS:
                await asyncio.sleep(wait)
                pause = min(2 * pause, LONGEST_PAUSE)
        raise EngineError(
            f"the judge at {self._where} does not answer: {problem}",
            "what is judged is kept; run the same command again",
        )

    def _reply(self, response: httpx.Response) -> Reply:
        try:
            answer = response.json()
            text = answer["choices"][0]["message"].get("content") or ""
            usage = answer.get("usage") or {}
            reply = Reply(str(text), int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise MidspanError(
                f"the judge at {self._where} does not answer as a chat API does", "give the URL up to /v1"
            ) from None
        self.answered += 1
        return reply

    def _gives_way(self, response: httpx.Response, sent: dict[str, Any], length_field: str) -> bool:
        """Whether the refusal may be about a field that can be left out; it is left out from now on."""
        if response.status_code not in (400, 422):
            return False
        text = response.text
        if self._dropped.intersection(sent) or length_field != self._length_field:
            return True  # another request has found out meanwhile
        if length_field == "max_tokens" and "max_completion_tokens" in text:
            self._length_field = "max_completion_tokens"
            return True
        named = [name for name, words in OPTIONAL.items() if name in sent and any(word in text for word in words)]
        self._dropped.update(named[:1])
        return bool(named)

    def _reason(self, response: httpx.Response) -> str:
        """The server's message on one line, without the key; never its whole answer, which may quote the question."""
        try:
            answer = response.json()
        except ValueError:
            return f"status {response.status_code}"
        error = answer.get("error", answer) if isinstance(answer, dict) else answer
        text = error.get("message") if isinstance(error, dict) else error
        if not isinstance(text, str):
            return f"status {response.status_code}"
        line = " ".join(text.split())
        return (line.replace(self._key, "[key]") if self._key else line)[:300]

    def _refusal(self, status: int, problem: str) -> MidspanError:
        base = self._where
        if status in (401, 403):
            return MidspanError(f"the judge at {base} refuses the key: {problem}", KEY_PROBLEM)
        if status == httpx.codes.NOT_FOUND:
            return MidspanError(
                f"the judge at {base} knows no such address or model: {problem}",
                f"check the endpoint (up to /v1) and the model {self.model}",
            )
        if status in (400, 413, 422):
            return Refused(f"the judge at {base} refuses the question: {problem}", "check the model's context length")
        return MidspanError(f"the judge at {base} refuses to work: {problem}", "check the account and the endpoint")


def _may_pass(response: httpx.Response) -> bool:
    """Whether asking again later can help. An exhausted account also answers 429."""
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return "insufficient_quota" not in response.text
    return response.status_code in PASSING or response.status_code >= 500


def _retry_after(response: httpx.Response) -> float:
    """Seconds the server asks to wait: a number or a date (RFC 9110, section 10.2.3); 0 if it does not say."""
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
