"""Chat servers for the tests of the LLM judge: one that plays a script, and llama.cpp with a small real model."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], Any]
"""Status, headers, body."""


def said(text: str, tokens_in: int = 100, tokens_out: int = 20) -> Answer:
    """A chat answer."""
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}
    return 200, {}, {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage}


def verdict(better: str) -> Answer:
    return said(json.dumps({"criteria": {"correct": better}, "summary": "because", "better": better}))


def refused(status: int, message: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, {"error": {"message": message}}


def shown(body: dict[str, Any]) -> tuple[str, str]:
    """The completions shown as A and B in a request."""
    text = body["messages"][1]["content"]
    found = [re.search(rf"<{name}-\w+>\n(.*?)\n</{name}-", text, re.DOTALL) for name in "AB"]
    assert all(found)
    return found[0].group(1), found[1].group(1)


class ChatServer:
    """What the server was asked, and its address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []


@contextmanager
def chat_server(answer: Callable[[dict[str, Any], int], Answer]) -> Iterator[ChatServer]:
    """Answers the n-th request (from 0) with `answer(body, n)`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(server.bodies)
                server.bodies.append(body)
                server.headers.append(dict(self.headers))
            status, headers, content = answer(body, number)
            encoded = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(encoded))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client may go at any time."""

    lock = threading.Lock()
    http = Server(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server = ChatServer(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
