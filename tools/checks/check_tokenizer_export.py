#!/usr/bin/env python3
"""Compares the tokenizer files that we export from GGUF files, as transformers loads them, with our own tokenizers.

Runs this package's export on each file, loads the folders with AutoTokenizer, and compares ids, decoded text, special
tokens and the chat template on hostile, adversarial and natural text.

usage: check_tokenizer_export.py [MODEL.gguf ...] [--zoo CACHE] [--only WORD ...] [--megabytes 1] [--seed 1]
                                 [--folder FOLDER]
--zoo adds the GGUF files of tokenizer_zoo.py; --only keeps those with one of these words in their names.
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

from gguf import GGUFReader  # noqa: E402
from make_tokenizer_goldens import HOSTILE  # noqa: E402
from tokenizer_text import adversarial, generated, natural  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

CONVERSATIONS = [
    [{"role": "user", "content": "Hello, wörld! 12345"}],
    [{"role": "system", "content": "Be brief.\n"}, {"role": "user", "content": " a  b\t"},
     {"role": "assistant", "content": "今日は 👩\u200d👩\u200d👧"}, {"role": "user", "content": "<|im_end|>?"}],
]


def differences(folder, texts):
    """What transformers makes otherwise than we do, one line each."""
    ours = json.loads((folder / "ours.json").read_text())
    # With a configuration, as a whole model folder has one: AutoTokenizer looks at both.
    fields = GGUFReader(folder / "model.gguf").fields
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


def zoo_files(cache, words):
    """The GGUF files of the zoo by name, made where they are not there yet."""
    from tokenizer_zoo import zoo
    for name, make in zoo(cache, {}):
        if any(word in name for word in words):
            folder = cache / "made" / name
            if not (folder / "tokenizer.json").exists():
                folder.mkdir(parents=True, exist_ok=True)
                make(folder)
            if (folder / "model.gguf").exists():
                yield name, folder / "model.gguf"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--zoo", type=Path)
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--megabytes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to leave the files; a temporary one otherwise")
    arguments = parser.parse_args()
    root = arguments.folder or Path(tempfile.mkdtemp())
    files = {model.stem: model for model in arguments.models}
    if arguments.zoo:
        files |= zoo_files(arguments.zoo, arguments.only)
    for name, model in files.items():
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name / "exported").mkdir(parents=True)
        (root / name / "model.gguf").symlink_to(model.resolve())
    generator = random.Random(arguments.seed)
    texts = HOSTILE + [text for make in (natural, generated, adversarial)
                       for text in make(generator, arguments.megabytes * 1e6 / 3)]
    (root / "texts.json").write_text(json.dumps(texts, ensure_ascii=False))
    subprocess.run(
        ["swift", "test", "--package-path", os.environ.get("PACKAGE", str(REPOSITORY)), "--filter",
         "TokenizationTests.ExportParityTests"],
        env=os.environ | {"SPARSELORA_TOKENIZER_EXPORT": str(root)}, check=True)
    equal = 0
    for name in files:
        found = list(differences(root / name, texts))
        equal += not found
        print(f"{name}: {len(found)} differences from transformers", *(f"  {line}" for line in found[:20]), sep="\n",
              flush=True)
    if arguments.folder is None:
        shutil.rmtree(root)
    size = sum(len(text.encode()) for text in texts) / 1e6
    met = equal == len(files) > 0
    print(f"check-tokenizer-export: {equal} of {len(files)} exported tokenizers equal in transformers on {len(texts)} texts, "
          f"{size:.1f} MB: " + ("met" if met else "missed"))
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
