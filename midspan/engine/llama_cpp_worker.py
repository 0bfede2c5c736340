"""The child process that holds llama.cpp: its HTTP server on a loopback port, for the parent alone.

Run as a script, not imported: it needs nothing of the package. The parent writes one line of JSON settings to standard
input and keeps it open; the worker answers one line of JSON with the server's address when the model is loaded, and
ends when standard input does, so it never outlives its parent. llama.cpp's own messages go to standard error until the
model is loaded and nowhere afterwards, since they may quote a prompt.
"""

import json
import os
import threading


def _exit_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def main() -> None:
    """Load the model, announce the address, serve until standard input ends."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return
        line += byte
    settings = json.loads(line)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    answer = os.dup(1)
    os.dup2(2, 1)

    if "OMP_WAIT_POLICY" not in os.environ:
        # OpenMP threads wait by spinning. Beside another busy process the thread they wait for has no core then: on two
        # busy cores a token of a 135 M model took 50 ms to 3 s by default, 30 to 40 ms with this.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.n_ctx = settings["context_length"] * settings["slots"]
    params.n_parallel = settings["slots"]
    params.n_batch = settings["batch_tokens"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings["key"]]
    params.verbosity = 1
    params.warmup = True
    params.ui = False
    params.cache_ram_mib = settings["cache_mib"]
    if settings["threads"]:
        params.cpuparams.n_threads = settings["threads"]
        params.cpuparams_batch.n_threads = settings["threads"]
    if not settings["flash_attention"]:
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)

    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.write(answer, json.dumps({"address": server.listening_address}).encode() + b"\n")
    os.close(answer)
    threading.Event().wait()


if __name__ == "__main__":
    main()
