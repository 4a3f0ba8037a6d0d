"""The text that tokenizers are compared on: natural in many scripts, generated, and adversarial; made once and kept.

Natural text is what this machine has in translation catalogues, Python sources and their documents. Nothing of it is
part of the repository.
"""
import itertools
import os
import random
import struct
import sysconfig
import unicodedata
from pathlib import Path

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
    "▁", "▁▁", "ﬁ", "Å", "ｶﾞ", "각", "<0x0A>", "<unk>", "<s>", "<bos>",
]


def catalogue(path):
    """The translations in a `.mo` file."""
    data = path.read_bytes()
    if data[:4] not in (b"\xde\x12\x04\x95", b"\x95\x04\x12\xde"):
        return
    order = "<" if data[0] == 0xDE else ">"
    count, originals, translations = struct.unpack_from(f"{order}3I", data, 8)
    for index in range(count):
        length, position = struct.unpack_from(f"{order}2I", data, translations + 8 * index)
        if struct.unpack_from(f"{order}I", data, originals + 8 * index)[0]:
            yield data[position:position + length].replace(b"\0", b"\n").decode("utf-8", errors="replace")


def catalogues(generator, packages):
    """Runs of translations that belong together, none twice."""
    paths = [*sorted(Path("/usr/share/locale").rglob("*.mo")), *sorted(packages.rglob("*.mo"))]
    generator.shuffle(paths)
    seen = set()
    for path in paths:
        run = [text for text in catalogue(path) if hash(text) not in seen]
        seen.update(map(hash, run))
        yield run


def sources(packages):
    for path in [*sorted(packages.rglob("*.md")), *sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))]:
        yield path.read_text(encoding="utf-8", errors="replace").split("\n") if path.stat().st_size < 400_000 else []


def natural(generator, size):
    """Documents of `size` bytes in all, or of what there is: all translations, then sources."""
    packages = Path(sysconfig.get_paths()["purelib"])

    def texts():
        for run in itertools.chain(catalogues(generator, packages), sources(packages)):
            start = 0
            while start < len(run):
                wanted = 10 ** generator.uniform(1, 4.5)
                end, length = start, 0
                while end < len(run) and length < wanted:
                    length += len(run[end]) + 1
                    end += 1
                yield "\n".join(run[start:end])
                start = end
    documents = list(up_to(size, texts()))
    generator.shuffle(documents)
    return documents


def generated(generator, size):
    """Words of random letters of one script."""
    def texts():
        while True:
            letters = [chr(c) for c in range(*generator.choice(SCRIPTS))]
            separator = generator.choice([" ", " ", "  ", "\n", "", ", "])
            count = int(10 ** generator.uniform(0, 4)) // 5 + 1
            yield separator.join("".join(generator.choices(letters, k=generator.randrange(1, 12)))
                                 for _ in range(count))
    return up_to(size, texts())


def adversarial(generator, size):
    """Every assigned character, special tokens and what looks like them, spaces, long repeats."""
    assigned = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000
                and unicodedata.category(chr(c)) not in ("Cn", "Co")]

    def texts():
        shuffled = generator.sample(assigned, k=len(assigned))
        for start in range(0, len(shuffled), 1000):
            yield "".join(shuffled[start:start + 1000])
        while True:
            kind = generator.random()
            length = int(10 ** generator.uniform(0, 4))
            if kind < 0.25:
                yield "".join(generator.choices(assigned, k=length))
            elif kind < 0.98:
                yield "".join(generator.choices(FRAGMENTS, k=length))
            else:
                yield generator.choice(FRAGMENTS) * generator.randrange(1, 50_000)
    return up_to(size, texts())


def up_to(size, texts):
    total = 0
    for text in texts:
        if total >= size:
            return
        text = text.translate(dict.fromkeys(DIGITS_OF_UNICODE_17))
        total += len(text.encode())
        yield text


KINDS = {"natural": natural, "generated": generated, "adversarial": adversarial}


def write_documents(path, texts):
    """For each document its length in bytes, as a 32-bit little-endian number, and its UTF-8."""
    temporary = path.with_suffix(".part")
    with open(temporary, "wb") as file:
        for text in texts:
            data = text.encode()
            file.write(struct.pack("<I", len(data)) + data)
    os.replace(temporary, path)
    return path.stat().st_size


def read_documents(path):
    data = path.read_bytes()
    position = 0
    while position < len(data):
        length, = struct.unpack_from("<I", data, position)
        position += 4 + length
        yield data[position - length:position].decode()


def make_texts(folder, megabytes, seed=1):
    """Writes `natural.documents`, `generated.documents` and `adversarial.documents`: `megabytes` of the first two,
    natural as far as it goes up to nine tenths, and a tenth more of the third."""
    folder.mkdir(parents=True, exist_ok=True)
    size, left = megabytes * 1e6, megabytes * 1e6
    for kind, make in KINDS.items():
        path = folder / f"{kind}.documents"
        if not path.exists():
            wanted = {"natural": 0.9 * size, "generated": left, "adversarial": 0.1 * size}[kind]
            write_documents(path, make(random.Random(f"{seed} {kind}"), wanted))
        left -= path.stat().st_size
    return {kind: folder / f"{kind}.documents" for kind in KINDS}
