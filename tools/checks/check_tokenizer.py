#!/usr/bin/env python3
"""Compares our tokenizer with Hugging Face tokenizers on many megabytes of natural and adversarial text.

Writes the text, the reference ids and the `tokenizer.json` to a folder and runs the parity test of this package on it.

usage: check_tokenizer.py MODEL [--megabytes 20] [--seed 1] [--folder FOLDER]
MODEL is a folder with tokenizer.json, or a GGUF file.
"""
import argparse
import os
import random
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
import unicodedata
from pathlib import Path

from tokenizers import Tokenizer, pre_tokenizers

REPOSITORY = Path(__file__).resolve().parent.parent.parent

# Digits since Unicode 17 for the Rust library behind `Digits`, unassigned in the Unicode 16 of everything else.
DIGITS_OF_UNICODE_17 = {*range(0x11DE0, 0x11DEA), *range(0x16FF4, 0x16FF7)}

SCRIPTS = [(0x41, 0x5B), (0x61, 0x7B), (0xC0, 0x180), (0x370, 0x400), (0x400, 0x500), (0x531, 0x588), (0x590, 0x600),
           (0x600, 0x700), (0x900, 0x980), (0xE00, 0xE60), (0x10A0, 0x1100), (0x1200, 0x1380), (0x3040, 0x3100),
           (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0x1F300, 0x1F700), (0x1D400, 0x1D800), (0x20000, 0x20100)]

FRAGMENTS = [
    " ", "  ", "   ", "\n", "\r\n", "\r", "\n\n", "\t", "\u00a0", "\u2028", "\u0085", "\u3000", "\u200b", "\u200d", "\ufeff",
    "'", "'s", "'S", "'ll", "'LL", "'ve", "'re", "'m", "'d", "'t", "\u2019s", "'ſ", "it's", "we'll", "a", "the", "The",
    "THE", "é", "e\u0301", "ö", "日本", "中", "ا", "َ", "क", "्", "ष", "🎉", "👩\u200d👩\u200d👧", "🏽", "1", "12", "123", "1234", "½",
    "٣", "①", "!", "!!", "...", ",", "-", "--", "_", "__", "(", ")", "<", "|", "<|", "|>", "<|endoftext|>", "<|im_start|>",
    "<|im_end|>", "<|im_", "<repo_name>", "<reponame>", "</s>", "$", "%", "\\", "/", "\x00", "\x1c", "\x7f", "\x0b", "\uffff",
]


def natural_files():
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))
    files += sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.md"))
    return [path for path in files if 1_000 < path.stat().st_size < 400_000]


def documents(generator, size):
    """Texts of about `size` bytes in all."""
    files = natural_files()
    assigned = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and c not in DIGITS_OF_UNICODE_17
                and unicodedata.category(chr(c)) not in ("Cn", "Co")]
    total = 0
    while total < size:
        kind = generator.random()
        length = int(10 ** generator.uniform(0, 4))
        if kind < 0.25:
            text = generator.choice(files).read_text(encoding="utf-8", errors="replace")
        elif kind < 0.5:
            low, high = generator.choice(SCRIPTS)
            words = ["".join(chr(generator.randrange(low, high)) for _ in range(generator.randrange(1, 12)))
                     for _ in range(length // 5 + 1)]
            text = generator.choice([" ", " ", "  ", "\n", "", ", "]).join(words)
        elif kind < 0.65:
            text = "".join(chr(generator.choice(assigned)) for _ in range(length))
        elif kind < 0.98:
            text = "".join(generator.choice(FRAGMENTS) for _ in range(length))
        else:
            text = generator.choice(FRAGMENTS) * generator.randrange(1, 50_000)
        text = "".join(c for c in text if ord(c) not in DIGITS_OF_UNICODE_17)
        total += len(text.encode())
        yield text


def load_reference(model):
    if model.is_dir():
        return Tokenizer.from_file(str(model / "tokenizer.json"))
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(model.parent, gguf_file=model.name).backend_tokenizer
    # transformers gives every GGUF the GPT-2 split; the split that the file names is set here.
    from gguf import GGUFReader
    name = GGUFReader(model).fields["tokenizer.ggml.pre"].contents()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True)
    if name == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    elif name in ("gpt-2", "default"):
        tokenizer.pre_tokenizer = byte_level
    else:
        sys.exit(f"no reference for the pre-tokenizer {name}: give a folder with tokenizer.json")
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to leave the files; a temporary one otherwise")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)

    reference = load_reference(arguments.model)
    reference.save(str(folder / "tokenizer.json"), pretty=False)
    if not arguments.model.is_dir():
        (folder / "model.gguf").unlink(missing_ok=True)
        (folder / "model.gguf").symlink_to(arguments.model.resolve())
    generator = random.Random(arguments.seed)
    with open(folder / "input.txt", "wb") as text_file, open(folder / "expected.bin", "wb") as id_file:
        for text in documents(generator, arguments.megabytes * 1e6):
            data = text.encode()
            ids = reference.encode(text, add_special_tokens=False).ids
            text_file.write(data)
            # One document: its length in bytes, the number of its ids, the ids; 32-bit little-endian numbers.
            id_file.write(struct.pack(f"<{len(ids) + 2}i", len(data), len(ids), *ids))

    result = subprocess.run(
        ["swift", "test", "--package-path", str(REPOSITORY), "--filter", "TokenizationTests.ParityTests"],
        env=os.environ | {"SPARSELORA_TOKENIZER_PARITY": str(folder)})
    megabytes = (folder / "input.txt").stat().st_size / 1e6
    if arguments.folder is None:
        shutil.rmtree(folder)
    print(f"{megabytes:.1f} MB of text: ids {'equal' if result.returncode == 0 else 'DIFFER from'} the reference")
    sys.exit(result.returncode)


if __name__ == "__main__":
    main()
