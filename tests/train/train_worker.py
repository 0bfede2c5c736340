"""Runs one training stage in a process of its own, which may kill itself at a chosen place.

Arguments: folder, stage, place ("" to finish, "step" or "checkpoint"), count, JSON of recipe changes.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from train_samples import context, inputs, recipe

from midspan.train import dpo, loop, pretrain, resume, sft


def die_at_call(function, count, before=lambda *args: None):
    """`function`, which at its call number `count` kills the process instead."""
    calls = 0

    def wrapped(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == count:
            before(*args)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return wrapped


def main() -> None:
    folder, stage, place, count, changes = sys.argv[1:]
    torch.set_num_threads(1)
    if place == "step":
        loop._step = die_at_call(loop._step, int(count))
    if place == "checkpoint":
        resume.save_file = die_at_call(
            resume.save_file, int(count), before=lambda tensors, path: path.write_bytes(b"half of a file")
        )
    run = {"pretrain": pretrain.run, "sft": sft.run, "dpo": dpo.run}[stage]
    # Only the first rank works in the real folder; the others see it through the rows they read there.
    given = inputs(Path(folder) / f"inputs{os.environ.get('RANK', '')}")
    if stage == "sft":
        given["pretrain"] = Path(folder) / "pretrain"
    if stage == "dpo":
        given |= {name: Path(folder).parent / name for name in ("sft", "prefer")}
    metrics = run(context(Path(folder) / stage, given, recipe(**json.loads(changes))))
    if os.environ.get("RANK", "0") == "0":
        (Path(folder) / f"{stage}.json").write_text(json.dumps(metrics))


main()
