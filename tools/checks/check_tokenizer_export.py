#!/usr/bin/env python3
"""Compares the tokenizer files that we export from a GGUF file, as transformers loads them, with our own tokenizer.

Runs this package's export on the file, loads the folder with AutoTokenizer, and compares ids, decoded text, special
tokens and the chat template on hostile and random text.

usage: check_tokenizer_export.py MODEL.gguf [--megabytes 1] [--seed 1] [--folder FOLDER]
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPOSITORY / "tools" / "goldens"))

from check_tokenizer import documents  # noqa: E402
from gguf import GGUFReader  # noqa: E402
from make_tokenizer_goldens import HOSTILE  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

CONVERSATIONS = [
    [{"role": "user", "content": "Hello, wörld! 12345"}],
    [{"role": "system", "content": "Be brief.\n"}, {"role": "user", "content": " a  b\t"},
     {"role": "assistant", "content": "今日は 👩\u200d👩\u200d👧"}, {"role": "user", "content": "<|im_end|>?"}],
]


def differences(folder, model, texts):
    """What transformers makes otherwise than we do, one line each."""
    ours = json.loads((folder / "ours.json").read_text())
    # With a configuration, as a whole model folder has one: AutoTokenizer looks at both.
    fields = GGUFReader(model).fields
    architecture = fields["general.architecture"].contents()
    (folder / "exported" / "config.json").write_text(json.dumps({"model_type": architecture}))
    theirs = AutoTokenizer.from_pretrained(folder / "exported")
    for text, case in zip(texts, ours["cases"], strict=True):
        if theirs(text, add_special_tokens=False).input_ids != case["ids"]:
            yield f"ids of {text[:80]!r}"
        if theirs(text).input_ids != case["withSpecialTokens"]:
            yield f"ids with special tokens of {text[:80]!r}"
        if theirs.decode(case["ids"], skip_special_tokens=True) != case["decodedSkipping"]:
            yield f"decoded text of {text[:80]!r}"
    special = sorted(i for i, token in theirs.added_tokens_decoder.items() if token.special)
    if special != ours["specialTokens"]:
        yield f"special tokens: {special} instead of {ours['specialTokens']}"
    for name, key in [("bos", "bos"), ("eos", "eos"), ("pad", "padding"), ("unk", "unknown")]:
        field = fields.get(f"tokenizer.ggml.{key}_token_id")
        expected = field.contents() if field else None
        found = getattr(theirs, f"{name}_token_id")
        if found != expected:
            yield f"{name}_token_id: {found} instead of {expected}"
    if theirs.model_max_length != 8192:
        yield f"model_max_length: {theirs.model_max_length}"
    template = fields.get("tokenizer.chat_template")
    template = template.contents() if template else None
    if not theirs.chat_template == ours["chatTemplate"] == template:
        yield "the chat template"
    for messages in CONVERSATIONS if template else []:
        rendered = theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        direct = theirs.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=True)
        if rendered != direct:
            yield f"the rendered conversation {messages}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--megabytes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to leave the files; a temporary one otherwise")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp())
    (folder / "exported").mkdir(parents=True, exist_ok=True)
    (folder / "model.gguf").unlink(missing_ok=True)
    (folder / "model.gguf").symlink_to(arguments.model.resolve())
    texts = HOSTILE + list(documents(random.Random(arguments.seed), arguments.megabytes * 1e6))
    (folder / "texts.json").write_text(json.dumps(texts, ensure_ascii=False))

    (folder / "ours.json").unlink(missing_ok=True)
    subprocess.run(
        ["swift", "test", "--package-path", str(REPOSITORY), "--filter", "TokenizationTests.ExportParityTests"],
        env=os.environ | {"SPARSELORA_TOKENIZER_EXPORT": str(folder)}, check=True)
    found = list(differences(folder, arguments.model, texts))
    if arguments.folder is None:
        shutil.rmtree(folder)
    for line in found[:20]:
        print(f"differs: {line}")
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} texts, {size:.1f} MB: {len(found)} differences from transformers")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
