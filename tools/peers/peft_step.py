#!/usr/bin/env python3
"""Time the LoRA training step of PyTorch + PEFT: what a CPU user would run instead of this project.

Random tokens, nothing padded, the last part of each sequence labelled as when a prompt is masked. Adapters have the
model's dtype, which is PEFT's fastest setting. Prints one JSON line; the fields that tools/checks/check_step.py
compares are named as in `Benchmarks step --json`.
"""
import argparse
import json
import os
import resource
import statistics
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.disable_progress_bar()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a folder in Hugging Face layout")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--batch", type=int, default=4, help="sequences in a step")
    parser.add_argument("--length", type=int, default=512, help="tokens in a sequence")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--targets", default="q_proj,k_proj,v_proj,o_proj", help="names, or all-linear")
    parser.add_argument("--labelled-fraction", type=float, default=0.25, help="how much of a sequence is scored")
    parser.add_argument("--steps", type=int, default=4, help="steps that are timed")
    parser.add_argument("--warmup", type=int, default=1, help="steps before these")
    return parser.parse_args()


def build(arguments: argparse.Namespace) -> torch.nn.Module:
    base = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=getattr(torch, arguments.dtype))
    base.config.use_cache = False
    targets = arguments.targets if arguments.targets == "all-linear" else arguments.targets.split(",")
    config = LoraConfig(r=arguments.rank, lora_alpha=2 * arguments.rank, target_modules=targets, task_type="CAUSAL_LM")
    return get_peft_model(base, config, autocast_adapter_dtype=False).train()


def main() -> None:
    arguments = parse_arguments()
    torch.manual_seed(0)
    model = build(arguments)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-4)
    tokens = torch.randint(0, model.config.vocab_size, (arguments.batch, arguments.length))
    labels = tokens.clone()
    labels[:, : arguments.length - round(arguments.length * arguments.labelled_fraction)] = -100

    seconds = []
    for step in range(arguments.warmup + arguments.steps):
        start = time.perf_counter()
        loss = model(input_ids=tokens, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step >= arguments.warmup:
            seconds.append(time.perf_counter() - start)

    median = statistics.median(seconds)
    print(json.dumps({
        "peer": "peft", "torch": torch.__version__, "threads": torch.get_num_threads(), "dtype": arguments.dtype,
        "seconds_median": median, "seconds_best": min(seconds),
        "tokens_per_second": arguments.batch * arguments.length / median,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "loss": loss.item(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
