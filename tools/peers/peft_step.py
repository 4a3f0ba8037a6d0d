#!/usr/bin/env python3
"""Time the LoRA training step of PyTorch + PEFT: what a CPU user would run instead of this project.

Random tokens, nothing padded, the last part of each sequence labelled as when a prompt is masked; or the batches of a
file, padded to the longest sequence of each as PEFT's users do. Adapters have the model's dtype, which is PEFT's
fastest setting. Flags and JSON lines are those of `Benchmarks step`; with --worker it takes one step for every line on
standard input, which is how `Benchmarks speed` alternates the two programs.
"""
import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, GgufConfig  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.disable_progress_bar()

UNLABELLED = -100


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a folder in Hugging Face layout, or a GGUF file")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--batch", type=int, default=4, help="sequences in a step")
    parser.add_argument("--length", type=int, default=512, help="tokens in a sequence")
    parser.add_argument("--labelled-fraction", type=float, default=0.25, help="how much of a sequence is scored")
    parser.add_argument("--batches", type=Path, help="a file of batches to take one after the other instead")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--targets", default="q_proj,k_proj,v_proj,o_proj", help="names, or all-linear")
    parser.add_argument("--steps", type=int, default=4, help="steps that are timed")
    parser.add_argument("--warmup", type=int, default=1, help="steps before these")
    parser.add_argument("--worker", action="store_true", help="one step for every line on standard input")
    return parser.parse_args()


def build(arguments: argparse.Namespace) -> torch.nn.Module:
    dtype = getattr(torch, arguments.dtype)
    if arguments.model.is_file():
        base = AutoModelForCausalLM.from_pretrained(
            arguments.model.parent, gguf_file=arguments.model.name, dtype=dtype,
            quantization_config=GgufConfig(dequantize=True))
    else:
        base = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=dtype)
    base.config.use_cache = False
    targets = arguments.targets if arguments.targets == "all-linear" else arguments.targets.split(",")
    config = LoraConfig(r=arguments.rank, lora_alpha=2 * arguments.rank, target_modules=targets, task_type="CAUSAL_LM")
    return get_peft_model(base, config, autocast_adapter_dtype=False).train()


def random_batch(arguments: argparse.Namespace, vocabulary: int) -> dict:
    tokens = torch.randint(0, vocabulary, (arguments.batch, arguments.length))
    labels = tokens.clone()
    labels[:, : arguments.length - round(arguments.length * arguments.labelled_fraction)] = UNLABELLED
    return {"input_ids": tokens, "labels": labels}


def padded_batch(record: dict) -> dict:
    """A line of `sequences` and `trained` (1 for tokens that are), padded on the right."""
    shape = len(record["sequences"]), max(len(tokens) for tokens in record["sequences"])
    tokens, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, UNLABELLED)
    for row, (sequence, trained) in enumerate(zip(record["sequences"], record["trained"])):
        values, length = torch.tensor(sequence), len(sequence)
        tokens[row, :length], mask[row, :length] = values, 1
        labels[row, :length] = torch.where(torch.tensor(trained) == 1, values, UNLABELLED)
    return {"input_ids": tokens, "attention_mask": mask, "labels": labels}


def main() -> None:
    arguments = parse_arguments()
    torch.manual_seed(0)
    model = build(arguments)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-4)
    if arguments.batches:
        batches = [padded_batch(json.loads(line)) for line in arguments.batches.read_text().splitlines()]
    else:
        batches = [random_batch(arguments, model.config.get_text_config().vocab_size)]
    taken = 0

    def step() -> dict:
        nonlocal taken
        batch = batches[taken % len(batches)]
        taken += 1
        start = time.perf_counter()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return {"seconds": time.perf_counter() - start, "loss": loss.item()}

    if arguments.worker:
        # Padding is work too, but its tokens are not trained on.
        tokens = sum(int(batch["attention_mask"].sum()) if "attention_mask" in batch else batch["input_ids"].numel()
                     for batch in batches)  # fmt: skip
        computed = sum(batch["input_ids"].numel() for batch in batches)
        print(json.dumps({"tokens": tokens, "computed_tokens": computed}), flush=True)
        for _ in sys.stdin:
            print(json.dumps(step()), flush=True)
        return
    for _ in range(arguments.warmup):
        step()
    seconds = [step()["seconds"] for _ in range(arguments.steps)]
    print(f"PEFT, torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.dtype}: "
          f"{statistics.median(seconds):.3f} s a step, best {min(seconds):.3f} s")


if __name__ == "__main__":
    main()
