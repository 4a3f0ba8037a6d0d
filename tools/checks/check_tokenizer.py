#!/usr/bin/env python3
"""Compares our tokenizers with Hugging Face tokenizers on many megabytes of natural and adversarial text.

One tokenizer after another: the reference ids are made and kept as checksums, `Benchmarks tokenizer` compares and
measures, and what came out is kept too. A run that was stopped goes on where it was; one after a change of our code
uses the references again. One core is enough: everything here runs on one thread.

usage: check_tokenizer.py [MODEL ...] --benchmarks PROGRAM --cache FOLDER [--zoo] [--only WORD ...] [--megabytes 100]
MODEL is a folder with tokenizer.json, or a GGUF file. --zoo adds those of tokenizer_zoo.py; --only keeps those with one
of these words in their names. --megabytes is the size of the multi-script text; the adversarial one has a tenth of it.
"""
import os

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import argparse  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
import shutil  # noqa: E402
import struct  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import zlib  # noqa: E402
from pathlib import Path  # noqa: E402

import tokenizers  # noqa: E402
from tokenizer_text import make_texts, read_documents  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

# Megabytes of natural text a second and core: with a scanner for the split, or none, and with the general patterns.
FAST_BAR, PATTERN_BAR = 5.0, 1.0


def digest(*parts):
    return hashlib.sha256(b"\0".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)).hexdigest()


def copy_model(model, folder):
    """Writes the `tokenizer.json` of a model, and a link to it where it is a GGUF file."""
    if model.is_dir():
        shutil.copy(model / "tokenizer.json", folder)
    else:
        from tokenizer_zoo import copy_gguf
        copy_gguf(model, folder)


def make_reference(tokenizer, texts, folder, decoded):
    """A file for each of `texts`: of each document the number of ids, their CRC-32, and that of the decoded text, or 0."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, path in texts.items():
        target = folder / f"{kind}.reference"
        if target.exists():
            continue
        # Of this process alone: another may run for other tokenizers.
        temporary = target.with_suffix(f".{os.getpid()}.part")
        with open(temporary, "wb") as file:
            for document in read_documents(path):
                ids = tokenizer.encode_batch_fast([document], add_special_tokens=False)[0].ids
                text = tokenizer.decode(ids, skip_special_tokens=False).encode() if kind in decoded else b""
                file.write(struct.pack("<3I", len(ids), zlib.crc32(struct.pack(f"<{len(ids)}i", *ids)), zlib.crc32(text)))
        os.replace(temporary, target)


def explain(tokenizer, path, report):
    """A line on where a document comes out otherwise."""
    document = next(text for index, text in enumerate(read_documents(path)) if index == report["document"])
    expected = tokenizer.encode(document, add_special_tokens=False)
    found = report["ids"]
    place = next((i for i, pair in enumerate(zip(found, expected.ids)) if pair[0] != pair[1]),
                 min(len(found), len(expected.ids)))
    if found != expected.ids:
        name = lambda ids: [tokenizer.id_to_token(i) for i in ids[place:place + 5]]  # noqa: E731
        start = expected.offsets[place][0] if place < len(expected.ids) else len(document)
        return (f"document {report['document']}, id {place}, before {document[start:start + 20]!r}: "
                f"{name(found)} instead of {name(expected.ids)}")
    decoded = tokenizer.decode(found, skip_special_tokens=False)
    kind, ours = ("decoded", report["decoded"]) if report["decoded"] != decoded else ("streamed", report["streamed"])
    place = next((i for i, pair in enumerate(zip(ours, decoded)) if pair[0] != pair[1]), min(len(ours), len(decoded)))
    return (f"document {report['document']}, {kind} text at {place}: {ours[place - 5:place + 10]!r} instead of "
            f"{decoded[place - 5:place + 10]!r}")


def compare(benchmarks, model, name, folder, texts, tokenizer):
    """What our program says of one file; prints what differs."""
    output = subprocess.run([benchmarks, "tokenizer", "--model", model, "--references", folder, *texts.values()],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if output.returncode:
        print(f"  {name}: {output.stdout.strip()[-500:]}", flush=True)
        return {"name": name, "failed": True}
    kinds = [json.loads(line) for line in output.stdout.split("\n") if line]
    for kind in kinds:
        for report in kind["reported"]:
            print(f"  {name}, {kind['name']} {explain(tokenizer, texts[kind['name']], report)}", flush=True)
    natural = next(kind for kind in kinds if kind["name"] == "natural")
    return {"name": name, "failed": False, "bytes": sum(kind["bytes"] for kind in kinds),
            "differing": sum(kind["differing"] for kind in kinds), "speed": natural["bytes"] / 1e6 / natural["seconds"],
            "bar": PATTERN_BAR if natural["usesPatterns"] else FAST_BAR}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--benchmarks", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--zoo", action="store_true")
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    makers = {model.stem: lambda folder, model=model: copy_model(model, folder) for model in arguments.models}
    if arguments.zoo:
        from tokenizer_zoo import zoo
        makers |= zoo(arguments.cache, {})
    makers = {name: make for name, make in makers.items() if any(word in name for word in arguments.only)}
    texts = make_texts(arguments.cache / f"text-{arguments.megabytes:g}-{arguments.seed}", arguments.megabytes,
                       arguments.seed)
    print(", ".join(f"{path.stat().st_size / 1e6:.1f} MB {kind}" for kind, path in texts.items()), flush=True)
    corpus = digest(tokenizers.__version__, *(path.read_bytes() for path in texts.values()))
    program = digest(arguments.benchmarks.read_bytes())

    start, compared, results = time.time(), 0, []
    for index, (name, make) in enumerate(makers.items()):
        made = arguments.cache / "made" / name
        if not (made / "tokenizer.json").exists():
            made.mkdir(parents=True, exist_ok=True)
            make(made)
        source = (made / "tokenizer.json").read_bytes()
        folder = arguments.cache / "references" / f"{name}-{digest(source, corpus)[:16]}"
        kept = folder / f"results-{program[:16]}.json"
        if kept.exists():
            forms = json.loads(kept.read_text())
        else:
            tokenizer = Tokenizer.from_file(str(made / "tokenizer.json"))
            make_reference(tokenizer, texts, folder, {"generated", "adversarial"})
            forms = [compare(arguments.benchmarks, made, name, folder, texts, tokenizer)]
            if (made / "model.gguf").exists():
                forms.append(compare(arguments.benchmarks, made / "model.gguf", f"{name} (GGUF)", folder, texts, tokenizer))
            compared += 1
            kept.write_text(json.dumps(forms))
        results += forms
        left = (time.time() - start) / compared * (len(makers) - index - 1) / 60 if compared else 0
        for form in forms:
            print(f"{index + 1}/{len(makers)} {form['name']}: " + ("failed" if form["failed"] else
                  f"{form['bytes'] / 1e6:.1f} MB, {form['differing']} documents differ, {form['speed']:.1f} MB/s "
                  f"(bar {form['bar']:g})") + f"; about {left:.0f} min to go", flush=True)

    passed = [form for form in results if not form["failed"]]
    equal = sum(form["differing"] == 0 for form in passed)
    slow = [f"{form['name']} {form['speed']:.2f}" for form in passed if form["speed"] < form["bar"]]
    slowest = {bar: min((form["speed"] for form in passed if form["bar"] == bar), default=float("nan"))
               for bar in (FAST_BAR, PATTERN_BAR)}
    smallest = min((form["bytes"] for form in passed), default=0) / 1e6
    met = equal == len(results) > 0 and not slow
    if slow:
        print("below their bars in MB/s: " + ", ".join(slow))
    print(f"check-tokenizers: {len(makers)} tokenizers in {len(results)} files, at least {smallest:.0f} MB each, {equal} equal; "
          f"slowest {slowest[FAST_BAR]:.1f} MB/s (bar {FAST_BAR:g}), with general patterns {slowest[PATTERN_BAR]:.1f} "
          f"(bar {PATTERN_BAR:g}): " + ("met" if met else "missed"))
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
