#!/usr/bin/env python3
"""Compares our tokenizers with Hugging Face tokenizers on many megabytes of natural and adversarial text.

Writes the text, the reference ids and each `tokenizer.json` to a folder and runs the parity test of this package on it.

usage: check_tokenizer.py [MODEL ...] [--zoo CACHE] [--only WORD ...] [--megabytes 100] [--seed 1] [--folder FOLDER]
MODEL is a folder with tokenizer.json, or a GGUF file. --zoo adds those of tokenizer_zoo.py, which it downloads and
trains into the folder CACHE; --only keeps those with one of these words in their names.
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

from tokenizers import Tokenizer

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


def copy_model(model, folder):
    """Writes the `tokenizer.json` of a model, and a link to it where it is a GGUF file."""
    if model.is_dir():
        shutil.copy(model / "tokenizer.json", folder)
    else:
        from tokenizer_zoo import copy_gguf
        copy_gguf(model, folder)


def write_reference(folder, texts):
    """`expected.bin`: for each text its length in bytes, the number of its ids, the ids; 32-bit numbers."""
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    with open(folder / "expected.bin", "wb") as id_file:
        for start in range(0, len(texts), 256):
            part = texts[start:start + 256]
            for text, encoding in zip(part, reference.encode_batch_fast(part, add_special_tokens=False), strict=True):
                ids = encoding.ids
                id_file.write(struct.pack(f"<{len(ids) + 2}i", len(text.encode()), len(ids), *ids))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--zoo", type=Path)
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to leave the files; a temporary one otherwise")
    arguments = parser.parse_args()
    makers = {model.stem: lambda folder, model=model: copy_model(model, folder) for model in arguments.models}
    if arguments.zoo:
        from tokenizer_zoo import zoo
        makers |= {name: make for name, make in zoo(arguments.zoo, {}) if any(word in name for word in arguments.only)}
    root = arguments.folder or Path(tempfile.mkdtemp())
    root.mkdir(parents=True, exist_ok=True)
    texts = list(documents(random.Random(arguments.seed), arguments.megabytes * 1e6))
    (root / "input.txt").write_bytes("".join(texts).encode())
    for name, make in makers.items():
        (root / name).mkdir(exist_ok=True)
        if arguments.zoo:
            # Made once, and used again.
            made = arguments.zoo / "made" / name
            if not (made / "tokenizer.json").exists():
                made.mkdir(parents=True, exist_ok=True)
                make(made)
            for path in made.glob("*.*"):
                (root / name / path.name).unlink(missing_ok=True)
                (root / name / path.name).symlink_to(path.resolve())
        else:
            make(root / name)
        write_reference(root / name, texts)
        print(f"reference ids of {name}", flush=True)

    result = subprocess.run(
        ["swift", "test", "-c", os.environ.get("CONFIGURATION", "release"), "-Xswiftc", "-enable-testing",
         "--package-path", os.environ.get("PACKAGE", str(REPOSITORY)), "--filter", "TokenizationTests.ParityTests"],
        env=os.environ | {"SPARSELORA_TOKENIZER_PARITY": str(root)}, stdout=subprocess.PIPE, text=True)
    lines = [line for line in result.stdout.splitlines() if line.startswith("parity: ") or "recorded an issue" in line]
    print("\n".join(lines))
    compared = [line for line in lines if line.startswith("parity: ")]
    megabytes = sum(float(line.split(" MB, ")[0].split()[-1]) for line in compared)
    equal = sum(", 0 documents differ" in line for line in compared)
    passed = result.returncode == 0 and equal == len(compared) and len(compared) >= len(makers) > 0
    if arguments.folder is None:
        shutil.rmtree(root)
    print(f"check-tokenizers: {megabytes:.1f} MB compared, {equal} of {len(compared)} tokenizers equal: "
          + ("met" if passed else "missed"))
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
