#!/usr/bin/env python3
"""Check a real Gemma 3 file end to end: loading time, logits and training against transformers and PEFT in f32.

transformers reads the same GGUF file (it dequantises the weights), so both sides have the same numbers. It is written
to a folder once, which PEFT trains.
"""
import argparse
import copy
import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.disable_progress_bar()

TEXTS = [
    "The capital of France is Paris, and the capital of Italy is",
    "def factorial(n):\n    return 1 if n == 0 else n * factorial(n - 1)\n",
    "Käse, 東京, مرحبا, 🦙🦙 and   three   spaces.\n\n\tA tab.",
]
LOAD_BAR = 3.0
# Relative to the spread of the logits; bf16 rounds weights that the file has in finer steps.
F32_BAR, BF16_BAR = 1e-3, 5e-2

failures = 0


def report(good: bool, text: str) -> None:
    global failures
    failures += not good
    print(f"{'ok    ' if good else 'MISSED'} {text}", flush=True)


def call(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"check-gemma: exit status {done.returncode} from: {' '.join(command)}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the GGUF file")
    parser.add_argument("--sparselora", required=True)
    parser.add_argument("--data", required=True, help="a training file")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)

    reference = AutoModelForCausalLM.from_pretrained(
        arguments.model.parent, gguf_file=arguments.model.name, dtype=torch.float32
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model.parent, gguf_file=arguments.model.name)
    sequences = [tokenizer(text).input_ids for text in TEXTS]
    with torch.no_grad():
        expected = [reference(input_ids=torch.tensor([ids])).logits[0] for ids in sequences]
    folder = work / "reference"
    if not (folder / "config.json").exists():
        # A model that came from GGUF counts as quantised, and transformers does not write those.
        config = copy.deepcopy(reference.config)
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        plain.load_state_dict(reference.state_dict())
        plain.save_pretrained(folder)
        del plain
    del reference
    gc.collect()

    tokens = work / "tokens.json"
    tokens.write_text(json.dumps(sequences))
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        call(arguments.sparselora, "generate", "--model", str(arguments.model), "--max-tokens", "1", "--prompt", "Hello")
        seconds.append(time.monotonic() - start)
    report(min(seconds) < LOAD_BAR, f"from the command to the first token: {min(seconds):.2f} s (bar {LOAD_BAR:g} s)")

    for dtype, bar in [("float32", F32_BAR), ("bfloat16", BF16_BAR)]:
        output = work / f"logits-{dtype}.safetensors"
        call(
            arguments.sparselora, "logits", "--model", str(arguments.model), "--tokens", str(tokens), "--output",
            str(output), "--dtype", dtype,
        )  # fmt: skip
        ours = load_file(output)
        error = max(
            ((ours[f"logits.{number}"] - logits).norm() / (logits - logits.mean()).norm()).item()
            for number, logits in enumerate(expected)
        )
        report(error < bar, f"{dtype} logits: relative difference from transformers {error:.1e} (bar {bar:g})")

    trace, initial = work / "trace.jsonl", work / "initial"
    call(
        arguments.sparselora, "train", "--model", str(arguments.model), "--data", arguments.data, "--dtype", "float32",
        "--iters", str(arguments.steps), "--batch-size", "4", "--targets", "q_proj,k_proj,v_proj,o_proj", "--output",
        str(work / "run"), "--overwrite", "--trace", str(trace), "--save-initial-adapter", str(initial),
    )  # fmt: skip
    losses = [json.loads(line)["loss"] for line in trace.read_text().splitlines()[1:]]
    replay = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "check_loss_trace.py"), "--model", str(folder), "--trace",
         str(trace), "--initial-adapter", str(initial), "--steps", str(arguments.steps)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    last = replay.stdout.strip().splitlines()[-1] if replay.stdout.strip() else "no output"
    report(replay.returncode == 0, f"{arguments.steps} steps beside PEFT in f32, {losses[0]:.3f} to {losses[-1]:.3f}: {last}")
    print(f"check-gemma: {'met' if failures == 0 else f'{failures} missed'}")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
