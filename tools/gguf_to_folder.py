#!/usr/bin/env python3
"""Dequantise a GGUF file into a Hugging Face model folder, which transformers and PEFT load.

usage: gguf_to_folder.py FILE.gguf OUTPUT_FOLDER [--dtype bfloat16]

A folder that is complete is kept: the second call returns at once.
"""
import argparse
import os
import shutil
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: E402


def convert(source: Path, output: Path, dtype: torch.dtype) -> None:
    # Written beside the goal and renamed, so that a folder with the final name is always whole.
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    location = dict(pretrained_model_name_or_path=str(source.parent), gguf_file=source.name)
    model = AutoModelForCausalLM.from_pretrained(
        **location, dtype=dtype, quantization_config=GgufConfig(dequantize=True))
    model.save_pretrained(partial)
    AutoTokenizer.from_pretrained(**location).save_pretrained(partial)
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
