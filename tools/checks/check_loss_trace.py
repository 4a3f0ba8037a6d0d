#!/usr/bin/env python3
"""Check our training against PEFT: replay a traced run in f32 with the same batches, adapter and schedule.

The trace is what `sparselora train --trace FILE` writes, one JSON object a line. The first says how the optimiser
is set: {"optimizer": {"beta1", "beta2", "epsilon", "weight_decay", "max_gradient_norm"}} (null: no clipping). Then,
for each step: {"step", "loss", "learning_rate", "sequences": [[token]], "labels": [[label or -100]]}. Labels are
unshifted; the loss is the mean over the step's labelled tokens, before its update.
"""
import argparse
import json
import math
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from peft import PeftConfig, PeftModel  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.disable_progress_bar()


def read_trace(path: Path, steps: int) -> tuple[dict, list[dict]]:
    with path.open() as file:
        header, *lines = [json.loads(line) for line in file]
    if "optimizer" not in header:
        sys.exit(f"check-loss-trace: the first line of {path} lacks \"optimizer\"")
    if len(lines) < steps:
        sys.exit(f"check-loss-trace: {path} has {len(lines)} steps, {steps} are needed")
    return header["optimizer"], lines[:steps]


def load(model_folder: Path, adapter_folder: Path) -> PeftModel:
    dropout = PeftConfig.from_pretrained(adapter_folder).lora_dropout
    if dropout != 0:
        sys.exit(f"check-loss-trace: lora_dropout is {dropout}; only a run without dropout can be replayed")
    base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    base.config.use_cache = False
    return PeftModel.from_pretrained(base, adapter_folder, is_trainable=True).train()


def accumulate_gradients(model: PeftModel, step: dict) -> float:
    """Run the sequences of a step one by one, unpadded, and add up the gradients of their token-mean loss."""
    labels = [torch.tensor(sequence) for sequence in step["labels"]]
    count = sum(int((targets[1:] != -100).sum()) for targets in labels)
    if count == 0:
        sys.exit(f"check-loss-trace: step {step['step']} has no labelled token")
    total = 0.0
    for tokens, targets in zip(step["sequences"], labels, strict=True):
        logits = model(input_ids=torch.tensor([tokens])).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits, targets[1:], ignore_index=-100, reduction="sum") / count
        loss.backward()
        total += loss.item()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a folder in Hugging Face layout")
    parser.add_argument("--trace", type=Path, required=True, help="written by sparselora train --trace")
    parser.add_argument("--initial-adapter", type=Path, required=True, help="the adapter before the first step")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--tolerance", type=float, default=1e-3, help="largest difference of a loss")
    arguments = parser.parse_args()

    settings, trace = read_trace(arguments.trace, arguments.steps)
    model = load(arguments.model, arguments.initial_adapter)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"],
        weight_decay=settings["weight_decay"])  # fmt: skip
    differences = []
    for step in trace:
        optimizer.param_groups[0]["lr"] = step["learning_rate"]
        optimizer.zero_grad(set_to_none=True)
        loss = accumulate_gradients(model, step)
        if settings["max_gradient_norm"] is not None:
            torch.nn.utils.clip_grad_norm_(weights, settings["max_gradient_norm"])
        optimizer.step()
        difference = abs(loss - step["loss"])
        print(f"step {step['step']:3}  ours {step['loss']:.6f}  PEFT {loss:.6f}  difference {difference:.2e}", flush=True)
        differences.append(difference if math.isfinite(difference) else math.inf)

    worst = max(differences)
    worst_step = trace[differences.index(worst)]["step"]
    first, last = trace[0]["loss"], trace[-1]["loss"]
    passed = worst < arguments.tolerance
    print(f"check-loss-trace {'passed' if passed else 'MISSED'}: largest difference {worst:.2e} at step {worst_step} "
          f"of {len(trace)} (bar {arguments.tolerance:g}); loss {first:.3f} -> {last:.3f}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
