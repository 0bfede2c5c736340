"""The review on a page in the browser, served to this machine only.

The address holds a random token, without which nothing is answered; the page needs nothing from elsewhere and its
policy allows nothing else. Texts reach it as JSON and are set as text, never as markup.
"""

import contextlib
import secrets
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from midspan.cli.review_terminal import LINES_AFTER, LINES_BEFORE, visible
from midspan.serve.guard import Guard
from midspan.serve.listen import bind

if TYPE_CHECKING:
    from midspan.prefer.judges.review import Review

HOST = "127.0.0.1"
MAX_BODY_BYTES = 1_000
POLICY = "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; connect-src 'self'; base-uri 'none'"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>midspan review</title>
<style nonce="NONCE">
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 1rem; }
main { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
pre { border: 1px solid gray; border-radius: .4rem; padding: .6rem; overflow: auto; max-height: 70vh; margin: .2rem 0; }
mark { background: #2a82; color: inherit; outline: 1px solid #2a8; }
button { font-size: 1rem; margin-right: .5rem; padding: .3rem .8rem; }
.dim { opacity: .7; }
@media (max-width: 60rem) { main { grid-template-columns: 1fr; } }
</style></head><body>
<p id="where"></p>
<main><section><b>1</b><pre id="one"></pre></section><section><b>2</b><pre id="two"></pre></section></main>
<p><button data-key="1">1 is better (1)</button><button data-key="2">2 is better (2)</button>
<button data-key="t">tie (t)</button><button data-key="s">skip (s)</button><button data-key="u">undo (u)</button>
<button data-key="q">quit (q)</button></p>
<p id="said" class="dim"></p>
<script nonce="NONCE">
const actions = {1: "1", 2: "2", t: "tie", s: "skip", u: "undo", q: "quit"};
let pair = null, busy = false;
function fill(id, item, text) {
  const mark = document.createElement("mark");
  mark.textContent = text || "(nothing)";
  document.getElementById(id).replaceChildren(item.before, mark, item.after);
}
function show(state) {
  document.getElementById("said").textContent = state.said;
  const where = document.getElementById("where");
  pair = state.item && state.item.pair;
  if (!state.item) {
    document.querySelector("main").hidden = true;
    where.textContent = state.end;
    return;
  }
  document.querySelector("main").hidden = false;
  where.textContent = `${state.done + 1} of ${state.count}   ${state.item.path}   ${state.item.language}`;
  fill("one", state.item, state.item.texts[0]);
  fill("two", state.item, state.item.texts[1]);
}
async function act(key) {
  if (busy || !(key in actions)) return;
  busy = true;
  try {
    const body = JSON.stringify({action: actions[key], pair});
    const answer = await fetch("answer", {method: "POST", headers: {"Content-Type": "application/json"}, body});
    show(await answer.json());
  } catch {
    document.getElementById("said").textContent = "midspan review is not running any more";
  } finally { busy = false; }
}
document.addEventListener("keydown", event => {
  if (!event.ctrlKey && !event.metaKey && !event.altKey) act(event.key.toLowerCase());
});
for (const button of document.querySelectorAll("button")) button.onclick = () => act(button.dataset.key);
fetch("state").then(answer => answer.json()).then(show);
</script></body></html>
"""


class ReviewPage:
    """The application; `finished` is called when the person quits."""

    def __init__(self, review: "Review", token: str) -> None:
        self._review, self._said = review, ""
        self.finished: Callable[[], None] = lambda: None
        routes = [
            Route(f"/{token}/", self._page),
            Route(f"/{token}/state", self._state),
            Route(f"/{token}/answer", self._answer, methods=["POST"]),
        ]
        self.app = Guard(Starlette(routes=routes), tokens=None, max_body_bytes=MAX_BODY_BYTES)

    async def _page(self, request: Request) -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        headers = {"Content-Security-Policy": POLICY.format(nonce), "Referrer-Policy": "no-referrer"}
        return HTMLResponse(PAGE.replace("NONCE", nonce), headers=headers | {"Cache-Control": "no-store"})

    async def _state(self, request: Request) -> JSONResponse:
        return self._shown()

    async def _answer(self, request: Request) -> JSONResponse:
        """Apply an answer, if it is for the pair that is shown: a page opened twice must not label the next one."""
        given = await request.json()
        item, action = self._review.current, given.get("action")
        if action == "quit":
            self.finished()
            return JSONResponse({"said": self._said, "item": None, "end": "Done; the report is on the terminal."})
        if action == "undo":
            self._said = "taken back" if self._review.undo() else "nothing to take back"
        elif item is not None and given.get("pair") == item.pair and action in ("1", "2", "tie", "skip"):
            self._said = f"the one before: {self._review.answer(item, action)}"
        return self._shown()

    def _shown(self) -> JSONResponse:
        item = self._review.current
        state: dict[str, Any] = {"said": self._said, "item": None, "end": "All pairs are reviewed; quit with q."}
        if item is not None:
            state |= {"done": self._review.done, "count": len(self._review.items)}
            state["item"] = {
                "pair": item.pair,
                "path": visible(item.path),
                "language": item.language,
                "before": visible("\n".join(item.prefix.split("\n")[-LINES_BEFORE:])),
                "after": visible("\n".join(item.suffix.split("\n")[:LINES_AFTER])),
                "texts": [visible(text) for text in item.texts],
            }
        return JSONResponse(state, headers={"Cache-Control": "no-store"})


def review_on_page(review: "Review", port: int) -> None:
    """Serve the page until the person quits. Raises MidspanError if the port is taken."""
    token = secrets.token_urlsafe(16)
    page = ReviewPage(review, token)
    with bind(HOST, port) as listener, contextlib.suppress(KeyboardInterrupt):
        address = f"http://{HOST}:{listener.getsockname()[1]}/{token}/"
        print(f"review at {address} (q or Ctrl+C ends it)", file=sys.stderr, flush=True)
        config = uvicorn.Config(page.app, log_level="warning", lifespan="off", timeout_graceful_shutdown=3)
        server = uvicorn.Server(config)

        def finish() -> None:
            server.should_exit = True

        page.finished = finish
        server.run(sockets=[listener])
