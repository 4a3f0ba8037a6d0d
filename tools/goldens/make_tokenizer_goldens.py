#!/usr/bin/env python3
"""Goldens of tokenizers: small byte-level BPE tokenizers, and what Hugging Face tokenizers makes of hostile text.

Each folder of Tests/Goldens/tokenizers holds a `tokenizer.json` trained here and an `expected.json`:
texts with their ids (plain, with special tokens added, with special tokens not recognised) and the decoded text,
and random id sequences with their text.
"""
import io
import json
import random
import shutil
import tempfile

import sentencepiece
from golden_files import GOLDENS, write_manifest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.convert_slow_tokenizer import import_protobuf

SEED = 20_240_603
FOLDER = GOLDENS / "tokenizers"

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

CORPUS = [
    "The river rose by 12 centimetres in 3 hours, and we're sure it'll rise again: they've measured it since 1987.",
    "She said: \"It's not what I'd call a bargain.\" He'd paid $1,250.75 (plus 19% tax)!",
    "def area(width, height):\n    # width and height in metres\n    return width * height\n\n\tprint(area(3, 4))\r\n",
    "Die Brücke über die Straße wurde früher gebaut; größere Lastwagen müssen außen herum fahren.",
    "Les élèves ont reçu leurs résultats à l'école, où l'été s'achève déjà.",
    "Привет, мир! Сегодня хорошая погода, и мы идём гулять.",
    "今日は天気がいいので、公園を散歩しました。東京タワーも見えました。",
    "今天天气很好，我们去公园散步。他说：“明天见！”",
    "오늘은 날씨가 좋아서 공원을 산책했습니다.",
    "السلام عليكم ورحمة الله وبركاته، كيف حالك اليوم؟",
    "नमस्ते दुनिया, आज मौसम अच्छा है। हम पार्क में टहलने गए।",
    "สวัสดีชาวโลก วันนี้อากาศดีมาก",
    "🎉🎉 party 👩‍👩‍👧 time 👍🏽 !!! --> <-- ==> ... ((())) \\\\ ||| &&& ~~~",
    "   indented   by    spaces     \n\n\n  and   blank lines\n\n",
    "{\"name\": \"value\", \"list\": [1, 2, 3], \"nested\": {\"a\": null}}",
] * 4

HOSTILE = [
    "", " ", "  ", "\n", "\r\n", "a", "'", "é",
    "Hello, world! It's 2024 and I'll be there; you're late, they've gone, I'm done, he'd know, can't.",
    "'S 'T 'RE 'VE 'M 'LL 'D IT'S WE'LL I'M x'Re x'lL 'ſ it'ſ 's't ''s '' 'l 'v 'r' ' s 'tis",
    "tabs\tand\t\ttabs \t mixed  \t\n  end   ", "trailing spaces   ", "   leading", "a  b   c    d     e",
    "line\nline\r\nline\rline\n\n\nline\r\n\r\n  x \n y\n \n", "\r\r\n\n \r \n x\u2028y\u2029z\u0085w\x0bv\x0cu",
    "nbsp\u00a0here \u00a0 both\u00a0 \u2003em\u2009thin\u202fnarrow\u3000ideographic\u1680ogham \u205f \u200b\u200c\u200d\ufeff",
    "ctrl\x00\x01\x02\x1b[0m\x7f\x1c\x1d\x1e\x1f \x80\x9f", "zero\u200bwidth\u200djoiner\u2060word\u00adsoft",
    "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇩🇪🇫🇷 ☺️ 🤷🏿‍♀️😀😃😄", "🎉", "x🎉y 🎉 z",
    "今日は天気がいいので、公園を散歩しました。１２３と一二三、㊿①Ⅻ。", "中文字符，没有空格的很长的一句话需要被正确地切分成许多的词元。",
    "السَّلَامُ عَلَيْكُمْ وَرَحْمَةُ ٱللَّٰهِ ١٢٣٤٥", "नमस्ते दुनिया क्षत्रिय १२३ ज़िंदगी", "สวัสดีชาวโลก ๑๒๓", "ᎣᏏᏲ ሰላም འཇིག་རྟེན།",
    "e\u0301 é o\u0308\u0323 ö a\u0302\u0301\u0323\u031b \u1e69 s\u0323\u0307 \u212b \u2126 \uac01 \u1100\u1161\u11a8 \u0344 \u0958",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "1 12 123 1234 12345 123456 3.14159 1,000,000 ½ ¼ ² ³ ⅷ ٣٤٥ 一 𝟘𝟙𝟚 0x1F a1b2c3 v1.2.3-rc4 1e-10",
    "!!!??? ... --- *** ### $$$ %%% ^^^ &&& ((( ))) [[[ ]]] {{{ }}} <<< >>> ~~~ ``` ||| \\\\\\ ///",
    "!a !!a ?\n\n.\r\n,\n x;\n;y _a_ __init__ #tag @user $x -1 +1 (a) [b] a.b a,b a-b a/b",
    "a" * 300, "ab" * 200, "aaa " * 60, " " * 200, "\n" * 150, " \n" * 80, "é" * 120, "今" * 100, "!" * 130, "7" * 100,
    "👍" * 60, "x" + " " * 70 + "y", "The" * 90, "\u0301" * 50, "mixed今日abcПриветdef",
    "<|bos|>text<|eos|>", "<|eos|><|eos|> <|eos|>\n<|eos|>", "a <|strip|>  b\u00a0<|strip|>\n\nc", "  <|left|>  x  <|left|>",
    "x <|right|>   y<|right|>\t<|right|>", "word woolly wool aword word_ wordé word, (word) wordword word\u0301 \u200dword word\u24b6",
    "<|bo<|bos|>s|> <|bos <|bos|", "hello  world hello world  hello", "caf\u00e9 cafe\u0301 CAFE\u0301",
    "½\u0301 Ａ\u0302\u0301 A\u030a\u0301 ½\u200d½ \u0600½ Ａ\u093e 가\u0301 \r\n½\r ﷺ①１ｶﾞｶ 👍🏽🏽", "<|bos|>\u200bＡ <|eos|>\u200b",
    "\u0e33b", "\u0e4db", "\u0e4d\u0e33b", "\u00a8b", "\u0344b", "\u0301b", "\U00011a94b\u0898c\u1cf2", "क\u200dष \u200dwe'll x\u200cy",
    "<|long|> <|long|>er <|longer|>", "\u00fc \u00f6 \u0120 \u0120the \u010a", "\ud7ff\ue000\ufffd\uffff\U00010000\U0010ffff",
]


def train(pre_tokenizer, normalizer=None, size=600, alphabet=None):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=size, show_progress=False, special_tokens=["<|bos|>", "<|eos|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet is None else alphabet)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_level(prefix=False, regex=True):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, trim_offsets=True, use_regex=regex)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), behavior, invert), byte_level(regex=False)])


def edit(tokenizer, change):
    """A tokenizer after a change to its JSON."""
    document = json.loads(tokenizer.to_str())
    change(document)
    return Tokenizer.from_str(json.dumps(document))


# In the manner of SentencePiece

LLAMA_DECODER = decoders.Sequence(
    [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
SPACES = normalizers.Replace(" ", "▁")


def pieces(byte_count=256, size=700):
    """BPE over characters. With fewer than 256 byte tokens some characters are unknown."""
    special = ["<|bos|>", "<|eos|>", "<unk>"] + [f"<0x{byte:02X}>" for byte in range(256 - byte_count, 256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, special_tokens=special, limit_alphabet=150)
    tokenizer.train_from_iterator(CORPUS, trainer)

    def change(document):
        document["added_tokens"] = document["added_tokens"][:3]
        document["pre_tokenizer"] = None

    return edit(tokenizer, change)


def make_sentencepiece_tokenizers():
    llama = pieces()
    llama.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), SPACES])
    llama.decoder = LLAMA_DECODER
    llama.post_processor = processors.TemplateProcessing(single="<|bos|> $A", special_tokens=[("<|bos|>", 0)])
    yield "llama2", llama

    gemma = pieces()
    gemma.normalizer = SPACES
    gemma.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    gemma.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    gemma.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("word", normalized=False, single_word=True)])
    yield "gemma", gemma

    mistral = pieces()
    mistral.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    mistral.decoder = LLAMA_DECODER
    yield "mistral", mistral

    missing = pieces(byte_count=90)
    missing.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    missing.decoder = decoders.Metaspace(prepend_scheme="always", split=True)
    yield "metaspace", missing

    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    unigram.train_from_iterator(CORPUS, trainers.UnigramTrainer(
        vocab_size=400, show_progress=False, special_tokens=["<|bos|>", "<|eos|>", "<unk>"], unk_token="<unk>"))
    unigram.normalizer = normalizers.Sequence([
        normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip(),
        normalizers.Replace(Regex(r"\s{2,}|[.]{3}"), " ")])
    unigram.decoder = decoders.Metaspace(prepend_scheme="first")
    yield "unigram", unigram


# Some of SentencePiece's own rules, compiled by its library: the table with all of them is too large to keep here.
RULES = ["A\u030a\t\u00c5", "e\u0301\t\u00e9", "E\u0301\t\u00c9", "\uff76\uff9e\t\u30ac", "\uff76\t\u30ab",
         "\u1100\u1161\u11a8\t\uac01", "½\t1⁄2", "\uff21\tA", "ﬁ\tfi", "①\t1", "\uff11\t1", "²\t2", "\u3000\t ", "\u00a0\t ",
         "\u2003\t ", "\u200b\t", "\u0001\t", "🏽\t", "\ufdfa\tصلى الله عليه وسلم"]


def charsmap():
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as rules:
        for rule in RULES:
            source, _, target = rule.partition("\t")
            rules.write("\t".join(" ".join(f"{ord(c):04X}" for c in part) for part in (source, target)) + "\n")
        rules.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=300, minloglevel=2, num_threads=1,
            normalization_rule_tsv=rules.name, hard_vocab_limit=False)
    proto = import_protobuf().ModelProto()
    proto.ParseFromString(model.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


def make_charsmap_tokenizers():
    rules = charsmap()
    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    unigram.train_from_iterator(CORPUS, trainers.UnigramTrainer(
        vocab_size=500, show_progress=False, special_tokens=["<|bos|>", "<|eos|>", "<unk>"], unk_token="<unk>"))
    unigram.normalizer = normalizers.Sequence([
        normalizers.Precompiled(rules), normalizers.Strip(False, True), normalizers.Replace(Regex(" {2,}"), "▁")])
    unigram.decoder = decoders.Metaspace(prepend_scheme="first")
    yield "unigram-charsmap", unigram

    llama = pieces()
    llama.normalizer = normalizers.Sequence([normalizers.Precompiled(rules), normalizers.Prepend("▁"), SPACES])
    llama.decoder = LLAMA_DECODER
    yield "llama-charsmap", llama


UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K_PATTERN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def make_tokenizers():
    gpt2 = train(byte_level())
    yield "gpt2", gpt2

    smollm = train(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()]))
    yield "smollm", smollm

    llama3 = train(split(LLAMA3_PATTERN))
    # Merges with gaps: some tokens can only be found as whole words.
    llama3 = edit(llama3, lambda d: d["model"].update(
        ignore_merges=True, merges=[m for i, m in enumerate(d["model"]["merges"]) if i % 5 != 4]))
    llama3.post_processor = processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
        single="<|bos|> $A", pair="<|bos|> $A <|bos|>:1 $B:1", special_tokens=[("<|bos|>", 0)])])
    yield "llama3", llama3

    qwen2 = train(split(QWEN2_PATTERN, "removed", True), normalizer=normalizers.NFC())
    qwen2.add_tokens([AddedToken("caf\u00e9", normalized=True), AddedToken("\u2126", normalized=True),
                      AddedToken("cafe\u0301", normalized=False)])
    yield "qwen2-nfc", qwen2

    added = train(byte_level())
    added.add_special_tokens([
        AddedToken("<|strip|>", lstrip=True, rstrip=True), AddedToken("<|left|>", lstrip=True),
        AddedToken("<|right|>", rstrip=True), AddedToken("<|long|>"), AddedToken("<|long|>er")])
    added.add_tokens([
        AddedToken("word", single_word=True), AddedToken("wool", normalized=False), AddedToken("hello world"),
        AddedToken("hello"), AddedToken("  "), AddedToken("\u00fc"), AddedToken("今日"), AddedToken("\u0120the")])
    added.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A <|eos|>", special_tokens=[("<|bos|>", 0), ("<|eos|>", 1)])
    yield "added-tokens", added

    yield "prefix-space", train(byte_level(prefix=True))

    def lose_bytes(document):
        model = document["model"]
        lost = {token for token in model["vocab"] if any(c in token for c in "zq7Ãä!")}
        model["vocab"] = {t: i for i, t in enumerate(t for t in model["vocab"] if t not in lost)}
        model["merges"] = [m for m in model["merges"] if not lost & {*m, "".join(m)}]

    yield "missing-bytes", edit(train(byte_level()), lose_bytes)

    def unknown(document, fuse):
        lose_bytes(document)
        document["model"].update(unk_token="<|eos|>", fuse_unk=fuse)

    yield "unknown", edit(train(byte_level()), lambda d: unknown(d, False))
    yield "unknown-fused", edit(train(byte_level()), lambda d: unknown(d, True))
    digits = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.Split(Regex(GPT2_PATTERN), "isolated"), byte_level(regex=False)])
    yield "digit-runs", train(digits, size=400)
    words = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), byte_level(regex=False)])
    yield "words", train(words, size=400)
    yield "no-split", train(byte_level(regex=False), size=400)
    yield "o200k", train(split(O200K_PATTERN), size=400)
    yield from make_sentencepiece_tokenizers()
    yield from make_charsmap_tokenizers()


def expected(name, tokenizer):
    cases = []
    for text in HOSTILE:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = True
        unrecognised = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        cases.append({
            "text": text, "ids": ids,
            "withSpecialTokens": tokenizer.encode(text, add_special_tokens=True).ids,
            "unrecognised": unrecognised,
            "decoded": tokenizer.decode(ids, skip_special_tokens=False),
            "decodedSkipping": tokenizer.decode(ids, skip_special_tokens=True)})
    generator = random.Random(f"{SEED} {name}")
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    decodes = []
    for _ in range(40):
        # Mostly single bytes, so that characters come apart and together in every way.
        ids = [generator.randrange(min(size, 270) if generator.random() < 0.8 else size)
               for _ in range(generator.randrange(1, 24))]
        decodes.append({"ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                        "decodedSkipping": tokenizer.decode(ids, skip_special_tokens=True)})
    return {"vocabularySize": size, "cases": cases, "decodes": decodes}


# Patterns for the splitter, and what the reference makes of hostile texts with them.
PATTERNS = [
    O200K_PATTERN, GPT2_PATTERN, LLAMA3_PATTERN,
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r" ?[^(\s|.,!?…。，、।۔،)]+", r"\d{1,3}+", r"\d{2}?", r"a{,2}", r"\s+$", r"^\S", r"\Ax|\s\z|\n\Z", r"a++a|.", r"x{a}",
    r"[a-z&&[^aeiou]]+", r"(?i)it's|THE", r"(?i:[k-t])", r"\w+", r"\W+", r"\h+", r"\b\S", r"\B.", r"(?<=\d)(?=\p{L})",
    r"(?<!\S)[\p{P}&&[^'\"]]{1,4}", r"(?>\w+)(?:'\w{1,2})?", r"\p{Han}+?(?=\p{Hiragana}|\s|$)", r"\P{L}", r"\p{^Ll}+",
    r"(?:a|ab)(?:c|bcd)?", r"(a|b)*?c", r"(?:\s*\S\s*){2,3}", r"(?:a?b?)*", r"[\x41-\x{5A}\u0061]", r"(?m:.)+", r".+",
    r"\p{Lu}\p{Ll}*|\p{Nd}+|[\p{Sm}\p{Sc}]", r"(?=(\d{3})+(?!\d))",
]


def pattern_cases():
    cases = []
    for pattern in PATTERNS:
        for behavior in ("isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"):
            if behavior not in ("isolated", "removed") and pattern in NULLABLE:
                continue
            for inverted in (False, True):
                splitter = pre_tokenizers.Split(Regex(pattern), behavior, inverted)
                texts = HOSTILE[8::7] if behavior == "isolated" and not inverted else HOSTILE[9::30]
                cases.append({"pattern": pattern, "behavior": behavior.title().replace("_", ""), "inverted": inverted,
                              "texts": [{"text": text, "pieces": [piece for piece, _ in splitter.pre_tokenize_str(text)]}
                                        for text in texts if len(text) < 90]})
    return cases


NULLABLE = {r"(?<=\d)(?=\p{L})", r"(?:a?b?)*", r"(?=(\d{3})+(?!\d))", r"a{,2}", r"\d{2}?"}


# Text that comes in parts, cut as chat templates cut prompts from answers.
CONVERSATIONS = [
    ["<|bos|>[INST] The river [/INST]", " rose by 12 centimetres. <|eos|>", "<|bos|>[INST] She said [/INST]", " a bargain <|eos|>"],
    ["<|bos|>USER: Привет, мир! ASSISTANT:", " Сегодня хорошая погода<|eos|>", "\nUSER: And? ASSISTANT:", " 今日は天気<|eos|>", "\n"],
    ["Hello,", " world! It's", "\n\n  The"], ["", "The river", "", " rose"], ["<|bos|>", "Hello", " world", "<|eos|>"],
    ["word", " word", "<|bos|> word", " x"],
]


def part_cases(name, tokenizer):
    """The ids of each part: those of the whole text between the cuts. Cuts inside a token of the whole are left out."""
    for parts in CONVERSATIONS:
        encoding = tokenizer.encode("".join(parts), add_special_tokens=False)
        ends, expected, start = [], [], 0
        for part in parts:
            ends.append(start := start + len(part))
        crossed = any(low < end < high for low, high in encoding.offsets for end in ends)
        if crossed:
            continue
        start = 0
        for part, end in zip(parts, ends):
            expected.append([id for id, (low, high) in zip(encoding.ids, encoding.offsets) if low >= start and high <= end
                             and (low, high) != (end, end) and part])
            start = end
        if sum(map(len, expected)) == len(encoding.ids):
            yield {"tokenizer": name, "parts": parts, "ids": expected}


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    parts = []
    for name, tokenizer in make_tokenizers():
        folder = FOLDER / name
        folder.mkdir(parents=True)
        document = json.loads(tokenizer.to_str())
        if name in ("gpt2", "missing-bytes"):
            # The older spelling of merges.
            document["model"]["merges"] = [" ".join(merge) for merge in document["model"]["merges"]]
            assert Tokenizer.from_str(json.dumps(document)).get_vocab() == tokenizer.get_vocab()
        # Trained vocabularies depend on the order of equal counts; the file that is stored is the one that is asked.
        (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
        stored = Tokenizer.from_file(str(folder / "tokenizer.json"))
        (folder / "expected.json").write_text(
            json.dumps(expected(name, stored), ensure_ascii=True, separators=(",", ":")) + "\n")
        parts += part_cases(name, stored)
    (FOLDER / "parts.json").write_text(json.dumps(parts, ensure_ascii=True, separators=(",", ":")) + "\n")
    (FOLDER / "patterns.json").write_text(json.dumps(pattern_cases(), ensure_ascii=True, separators=(",", ":")) + "\n")
    write_manifest(FOLDER, __file__, SEED, ["tokenizers", "sentencepiece"])


if __name__ == "__main__":
    main()
