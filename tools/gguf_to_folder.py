#!/usr/bin/env python3
"""Dequantise a GGUF file into a Hugging Face model folder, which transformers and PEFT load.

usage: gguf_to_folder.py FILE.gguf OUTPUT_FOLDER [--dtype bfloat16]

A folder that is complete is kept: the second call returns at once.
"""
import argparse
import os
import shutil
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from gguf import GGUFReader  # noqa: E402
from tokenizers import pre_tokenizers  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: E402


# How a byte-level vocabulary splits text, by the name in `tokenizer.ggml.pre`.
SPLITS = {
    "gpt-2": [],
    "smollm": [pre_tokenizers.Digits(individual_digits=True)],
}


def load_tokenizer(source: Path):
    """transformers ignores `tokenizer.ggml.pre` and gives every such vocabulary GPT-2's split; put it right."""
    tokenizer = AutoTokenizer.from_pretrained(str(source.parent), gguf_file=source.name)
    name = GGUFReader(source).fields["tokenizer.ggml.pre"].contents()
    if name not in SPLITS:
        sys.exit(f"{source}: tokenizer.ggml.pre is {name!r}; this tool knows {', '.join(SPLITS)}")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*SPLITS[name], byte_level])
    return tokenizer


def convert(source: Path, output: Path, dtype: torch.dtype) -> None:
    # Written beside the goal and renamed, so that a folder with the final name is always whole.
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(
        str(source.parent), gguf_file=source.name, dtype=dtype, quantization_config=GgufConfig(dequantize=True))
    model.save_pretrained(partial)
    load_tokenizer(source).save_pretrained(partial)
    partial.rename(output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the GGUF file")
    parser.add_argument("output", type=Path, help="the folder to make")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    arguments = parser.parse_args()
    if not (arguments.output / "config.json").exists():
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        convert(arguments.source.resolve(), arguments.output, getattr(torch, arguments.dtype))
    print(arguments.output)


if __name__ == "__main__":
    main()
