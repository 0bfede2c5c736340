"""What a person who runs a server counts on: its end, its settings, TLS, metrics, logs without anyone's text."""

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from server_process import PATIENT, START, halted, running, until
from tiny_model import LESSONS

from midspan.cli.main import run
from midspan.errors import MidspanError
from midspan.serve.auth import add_token
from midspan.serve.listen import bind
from midspan.serve.run import serve

PATH = "/v1/midspan/completions"


def body_of(name: str, **more) -> dict:
    lesson = LESSONS[name]
    return {"path": lesson.path, "prefix": lesson.prefix, "suffix": lesson.suffix} | more


def value_of(client: httpx.Client, sample: str) -> float:
    """The value of a sample, written with its labels, of /metrics; 0 if it is not there."""
    found = re.search(rf"^{re.escape(sample)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def wait_for_value(client: httpx.Client, sample: str, value: float) -> None:
    """Wait until a sample of /metrics has a value: a request counts when its answer is already with the client."""
    until(lambda: value_of(client, sample) == value)


def test_taken_port_is_reported_before_the_model_is_looked_at():
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MidspanError, match=f"port {port} on 127.0.0.1 is in use"):
            serve(None, {"model": "no such model", "port": port})
    with pytest.raises(MidspanError, match="no such model"):
        serve(None, {"model": "no such model", "port": 0})


def test_on_sigterm_what_runs_is_finished_and_nothing_new_is_taken(taught_gguf, tmp_path):
    with running(taught_gguf, tmp_path / "log", drain_seconds=60) as (client, process), ThreadPoolExecutor() as pool:
        address = (client.base_url.host, client.base_url.port)

        def refused() -> bool:
            try:
                socket.create_connection(address).close()
            except ConnectionRefusedError:
                return True
            return False

        with halted(process):
            pending = pool.submit(client.post, PATH, json=body_of("endless", max_new_tokens=800))
            with httpx.Client(base_url=client.base_url, trust_env=False) as other:
                until(lambda: value_of(other, "midspan_queue_running") == 1)
            process.send_signal(signal.SIGTERM)
            until(refused)
        assert pending.result().status_code == 200
        until(lambda: process.status() == psutil.STATUS_ZOMBIE)


def test_what_outlasts_the_drain_is_ended(taught_gguf, tmp_path):
    with running(taught_gguf, tmp_path / "log", drain_seconds=0) as (client, process), ThreadPoolExecutor() as pool:
        with halted(process):
            pending = pool.submit(client.post, PATH, json=body_of("endless", max_new_tokens=800))
            with httpx.Client(base_url=client.base_url, trust_env=False) as other:
                until(lambda: value_of(other, "midspan_queue_running") == 1)
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(httpx.TransportError):
                assert pending.result().status_code == 503
        until(lambda: process.status() == psutil.STATUS_ZOMBIE)


def test_sighup_reads_limits_tokens_and_log_level_again(taught_gguf, tmp_path):
    settings, tokens, log = tmp_path / "serve.toml", tmp_path / "tokens", tmp_path / "log"
    headers = {"Authorization": f"Bearer {add_token(tokens, 'ann')}"}
    text = f'model = "{taught_gguf}"\nport = 0\nthreads = 1\ntoken_file = "{tokens}"\n[limits]\n'
    settings.write_text(text + "burst = 2\nrequests_per_minute = 1\ntimeout_ms = 60000\n")
    start = START.replace("None, json.loads(sys.argv[1])", "Path(sys.argv[1]), {}")
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", f"from pathlib import Path; {start}", str(settings)], stderr=stderr
        )
    try:
        until(lambda: re.search(r"http\S+:\d+", log.read_text()))
        url = re.search(r"http\S+:\d+", log.read_text())[0]
        with httpx.Client(base_url=url, timeout=60, trust_env=False, headers=headers) as client:
            answers = [client.post(PATH, json=body_of("block")) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert 1 <= int(answers[2].headers["retry-after"]) <= 60
            assert "1 requests per minute" in answers[2].text

            settings.write_text(text + "burst = 0\n")
            os.kill(process.pid, signal.SIGHUP)
            until(lambda: "the settings stay as they were" in log.read_text())
            assert client.post(PATH, json=body_of("block")).status_code == 429

            settings.write_text(text.replace("threads = 1", "threads = 2") + "requests_per_minute = 60000\n")
            os.kill(process.pid, signal.SIGHUP)
            until(lambda: "settings read again" in log.read_text())
            until(lambda: client.post(PATH, json=body_of("block")).status_code == 200)
            assert "threads is read at start only" in log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_deadlines_come_from_the_request(server):
    client, _, _ = server
    late = value_of(client, 'midspan_shed_total{reason="late"}')
    answer = client.post(PATH, json=body_of("endless", max_new_tokens=800), headers={"X-Request-Timeout-Ms": "1"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "deadline" in answer.json()["error"]["message"]
    wait_for_value(client, 'midspan_shed_total{reason="late"}', late + 1)
    body = body_of("endless", stream=True, max_new_tokens=800)
    stream = client.post(PATH, json=body, headers={"X-Request-Timeout-Ms": "1"})
    assert stream.status_code == 503


def test_tls(taught_gguf, tmp_path):
    certificate, key = self_signed(tmp_path)
    with running(taught_gguf, tmp_path / "log", tls_cert=str(certificate), tls_key=str(key)) as (client, _):
        assert client.base_url.scheme == "https"
        context = ssl.create_default_context(cafile=certificate)
        with httpx.Client(base_url=client.base_url, verify=context, trust_env=False, timeout=60) as trusting:
            assert trusting.post(PATH, json=body_of("block")).json()["suggestion"] == "return width * height"
        with pytest.raises(httpx.TransportError):
            httpx.get(str(client.base_url).replace("https", "http") + "/health")
    with pytest.raises(MidspanError, match="both"):
        serve(None, {"model": str(taught_gguf), "port": 0, "tls_cert": certificate})


def test_a_certificate_that_cannot_be_used_is_said(taught_gguf, tmp_path, capsys):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    files = ["--tls-cert", str(broken), "--tls-key", str(broken)]
    assert run(["serve", "--model", str(taught_gguf), "--port", "0", *files]) == 2
    assert "broken.pem" in capsys.readouterr().err


def self_signed(folder):
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return folder / "cert.pem", folder / "key.pem"


def test_metrics_count_what_happened(taught_gguf, tmp_path):
    with running(taught_gguf, tmp_path / "log") as (client, _):
        result = client.post(PATH, json=body_of("block")).json()
        client.post(PATH, json=body_of("nothing"))
        client.post(PATH, json=body_of("block", max_new_tokens=0))
        client.get("/nowhere")
        client.post("/v1/midspan/events", json={"id": result["id"], "kind": "view"})
        client.post("/v1/midspan/events", json={"id": result["id"], "kind": "select"})
        wait_for_value(client, 'midspan_requests_total{dialect="Midspan",status="200"}', 4)
        wait_for_value(client, 'midspan_requests_total{dialect="Midspan",status="422"}', 1)
        wait_for_value(client, 'midspan_requests_total{dialect="other",status="404"}', 1)
        wait_for_value(client, 'midspan_suggestions_total{outcome="shown"}', 1)
        wait_for_value(client, 'midspan_suggestions_total{outcome="accepted"}', 1)
        wait_for_value(client, 'midspan_suggestions_dropped_total{step="empty"}', 1)
        assert value_of(client, "midspan_prompt_tokens_total") > result["usage"]["prompt_tokens"]
        assert value_of(client, "midspan_generated_tokens_total") >= result["usage"]["completion_tokens"]
        for name in ("queue", "prompt", "generation"):
            wait_for_value(client, f"midspan_{name}_seconds_count", 2)
        wait_for_value(client, "midspan_engine_up", 1)
        wait_for_value(client, "midspan_queue_running", 0)


def test_a_killed_engine_is_started_again_and_that_is_counted(taught_gguf, tmp_path):
    with running(taught_gguf, tmp_path / "log") as (client, process):
        (child,) = process.children()
        child.kill()
        until(lambda: client.post(PATH, json=body_of("block")).status_code == 200)
        wait_for_value(client, "midspan_engine_restarts_total", 1)
        wait_for_value(client, "midspan_engine_up", 1)


def test_no_log_line_and_no_metric_holds_the_users_text(taught_gguf, tmp_path):
    marker = "planted_marker_5b1c"
    log, tokens = tmp_path / "log", tmp_path / "tokens"
    headers = {"Authorization": f"Bearer {add_token(tokens, 'ann')}", "X-Other": marker, "User-Agent": marker}
    with running(taught_gguf, log, token_file=str(tokens), log_level="debug") as (client, _):
        text = f"{marker} = 1\n"
        planted = body_of("block", path=f"src/{marker}.py", prefix=text, suffix=text)
        requests: list[tuple[str, object]] = [
            (PATH, planted | {"files": [{"path": f"{marker}.py", "text": text}]}),
            (PATH, planted | {"stream": True, "explain": True}),
            (PATH, planted | {"max_new_tokens": 5000}),
            (PATH, planted | {marker: marker}),
            (PATH, marker),
            (f"/{marker}?{marker}={marker}", {marker: marker}),
            ("/v1/completions", {"model": marker, "prompt": text, "suffix": text}),
            ("/v1/completions", {"segments": {"prefix": text, "filepath": f"{marker}.py"}, "language": marker}),
            ("/infill", {"input_prefix": text, "input_suffix": text, "prompt": marker}),
            ("/api/generate", {"model": marker, "prompt": text, "suffix": text}),
            ("/v1/midspan/events", {"id": marker, "kind": "view"}),
        ]
        for path, body in requests:
            client.post(path, json=body, headers=headers)
        client.post(PATH, content=marker, headers=headers)
        client.post(PATH, json=planted, headers=headers | {"X-Request-Timeout-Ms": marker})
        client.post(PATH, json=planted, headers={"Authorization": f"Bearer {marker}"})
        figures = client.get("/metrics", headers=headers).text
    lines = log.read_text()
    assert marker not in lines
    assert marker not in figures
    plain = [line for line in lines.splitlines() if not line.startswith("{")]
    assert len(plain) == 1 and plain[0].startswith("midspan serves")
    entries = [json.loads(line) for line in lines.splitlines() if line not in plain]
    answered = [entry for entry in entries if entry["message"] == "request"]
    assert len(answered) == len(requests) + 4
    assert answered[0]["user"] == "ann"
    assert {"time", "level", "id", "dialect", "route", "status", "ms", "queue_ms", "language"} <= set(answered[0])
    assert {"prompt_ms", "generate_ms", "prompt_tokens", "cached_tokens", "generated_tokens"} <= set(answered[0])


@pytest.mark.parametrize("sent", [b"", b"POST /v1/midspan/completions HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_head_that_never_ends_is_cut_off(taught_gguf, tmp_path, sent):
    short = START.replace("serve(None", "import midspan.serve.connection as c; c.HEAD_SECONDS = 0.3; serve(None")
    settings = {"model": str(taught_gguf), "port": 0, "threads": 1, "limits": PATIENT}
    log = tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen([sys.executable, "-c", short, json.dumps(settings)], stderr=stderr)
    try:
        until(lambda: re.search(r":(\d+)$", log.read_text().strip()))
        port = int(re.search(r":(\d+)$", log.read_text().strip())[1])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(sent)
            assert connection.recv(1) == b""
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET /health HTTP/1.1\r\n" + b"X-Long: " + b"x" * 40_000)
            with contextlib.suppress(ConnectionError):
                assert b"400" in connection.recv(100)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
