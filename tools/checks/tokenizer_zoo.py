"""The tokenizers that ours is compared with: real ones that Python packages ship, and ones trained here.

Each is a Hugging Face tokenizer, and where GGUF files can hold it also a GGUF file with nothing but its metadata. What
is downloaded and trained stays in a cache folder and out of the repository.
"""
import base64
import io
import json
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import gguf
import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)
from transformers.convert_slow_tokenizer import bytes_to_unicode, generate_merges, import_protobuf

PACKAGES = {"mistral-common": "1.13.1", "litellm": "1.109.1", "dashscope": "2.0.2", "openai-whisper": "20250625",
            "ai21-tokenizer": "1.1.0"}

CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = (CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = (CONTRACTION + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
HEAD, REST = r"[^\r\n\p{L}\p{N}]?", r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (f"{HEAD}{UPPER}*{LOWER}+{CONTRACTION}?|{HEAD}{UPPER}+{LOWER}*{CONTRACTION}?" + r"|\p{N}{1,3}" + REST)
TEKKEN = f"{HEAD}{UPPER}*{LOWER}+|{HEAD}{UPPER}+{LOWER}*" + r"|\p{N}" + REST
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"
BAILING = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")
# Written to exercise the parts of the syntax that the published patterns leave out.
PECULIAR = (r"(?<=\d)(?=\p{L})|\p{Han}+?(?=\p{Hiragana}|\s|$)|(?>\w+)(?:'\w{1,2})?|(?<!\S)[\p{P}&&[^'\"]]{1,4}|\b\S"
            r"|[^\S\n]+|\n{2,}|[\s\S]")


def packages(cache):
    """Downloads and unpacks the packages once; the folder with their files."""
    target = cache / "packages"
    for name, version in PACKAGES.items():
        folder = target / f"{name}-{version}"
        if folder.exists():
            continue
        wheels = target / "archives" / name
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check",
                        "--dest", wheels, f"{name}=={version}"], check=True)
        for archive in wheels.iterdir():
            if archive.suffix == ".whl":
                zipfile.ZipFile(archive).extractall(folder)
            else:
                tarfile.open(archive).extractall(folder, filter="data")
    return target


def found(root, pattern):
    paths = sorted(root.rglob(pattern))
    assert paths, f"no {pattern} in {root}"
    return paths[0]


# Byte-level vocabularies

def byte_level(pattern=None, digits=False, use_regex=False):
    parts = [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    if pattern:
        parts.append(pre_tokenizers.Split(Regex(pattern), behavior="isolated"))
    parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex))
    return pre_tokenizers.Sequence(parts)


def from_ranks(ranks, pre_tokenizer, ignore_merges):
    """A tokenizer from the tokens of a tiktoken file: bytes to rank."""
    spelling = bytes_to_unicode()
    spell = lambda token: "".join(spelling[byte] for byte in token)  # noqa: E731
    merges = []
    for token, rank in ranks.items():
        pairs = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        merges += [(rank, ranks[left], ranks[right], left, right) for left, right in pairs]
    merges.sort(key=lambda merge: merge[:3])
    tokenizer = Tokenizer(models.BPE({spell(token): rank for token, rank in ranks.items()},
                                     [(spell(left), spell(right)) for *_, left, right in merges],
                                     ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    # Where the ranks have gaps the library gives added tokens ids that are taken.
    if max(ranks.values()) < len(ranks):
        tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    return tokenizer


def tiktoken_file(path, pre_tokenizer, ignore_merges=False):
    lines = [line.split() for line in path.read_bytes().splitlines() if line]
    return from_ranks({base64.b64decode(token): int(rank) for token, rank in lines}, pre_tokenizer, ignore_merges)


def tekken(path):
    document = json.loads(path.read_text())
    config = document["config"]
    count = config["default_vocab_size"] - config["default_num_special_tokens"]
    ranks = {base64.b64decode(item["token_bytes"]): item["rank"] for item in document["vocab"][:count]}
    return from_ranks(ranks, byte_level(config["pattern"]), ignore_merges=True)


def trained_byte_level(pre_tokenizer, normalizer=None, size=8000):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, special_tokens=["<|endoftext|>", "<|im_end|>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(training_text(), trainer)
    return tokenizer


# SentencePiece's vocabularies

LLAMA_NORMALIZER = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
LLAMA_DECODER = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)])
GEMMA_DECODER = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])


def shape(tokenizer, kind):
    """The parts around the model, as the published `tokenizer.json` files of a family have them."""
    if kind == "llama":
        tokenizer.normalizer, tokenizer.decoder = LLAMA_NORMALIZER, LLAMA_DECODER
    elif kind == "gemma":
        tokenizer.normalizer, tokenizer.decoder = normalizers.Replace(" ", "▁"), GEMMA_DECODER
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    else:
        scheme, split = kind
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
        tokenizer.decoder = (LLAMA_DECODER if scheme == "first"
                             else decoders.Metaspace(prepend_scheme=scheme, split=split))
    return tokenizer


def sentencepiece_model(data):
    proto = import_protobuf().ModelProto()
    proto.ParseFromString(data)
    return proto


def sentencepiece_file(path, kind):
    return from_sentencepiece(sentencepiece_model(path.read_bytes()), kind)


def from_sentencepiece(proto, kind):
    pieces = [(piece.piece, piece.score, piece.type) for piece in proto.pieces]
    added = [AddedToken(piece, normalized=False, special=type != 4) for piece, _, type in pieces if type in (2, 3, 4)]
    if proto.trainer_spec.model_type == 1:
        model = models.Unigram([(piece, score) for piece, score, _ in pieces], proto.trainer_spec.unk_id,
                               proto.trainer_spec.byte_fallback)
    else:
        vocabulary = {piece: index for index, (piece, _, _) in enumerate(pieces)}
        merges = generate_merges(vocabulary, {piece: score for piece, score, _ in pieces})
        model = models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = shape(Tokenizer(model), kind)
    tokenizer.add_special_tokens([token for token in added if token.special])
    tokenizer.add_tokens([token for token in added if not token.special])
    return tokenizer, pieces


def trained_pieces(kind, size=8000):
    """BPE over characters with byte fallback, and its pieces with falling scores."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, special_tokens=special, limit_alphabet=400)
    tokenizer.train_from_iterator(training_text(), trainer)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    pieces = [(piece, float(-index), 2 if index == 0 else 3 if index < 3 else 6 if index < 259 else 1)
              for piece, index in vocabulary]
    merges = generate_merges(dict(vocabulary), {piece: score for piece, score, _ in pieces})
    result = shape(Tokenizer(models.BPE(dict(vocabulary), merges, unk_token="<unk>", fuse_unk=True,
                                        byte_fallback=True)), kind)
    result.add_special_tokens([AddedToken(piece, normalized=False) for piece in special[:3]])
    result.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return result, pieces


def with_charsmap(tokenizer, charsmap, rest):
    """A tokenizer with SentencePiece's compiled rules in front of other normalisers, as T5, XLM-R and others have them."""
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap), *rest])
    return tokenizer


def trained_sentencepiece(rules, model_type="unigram", size=4000):
    """A model of the sentencepiece library, with its own normalisation rules: its protocol buffer."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line for text in training_text()[:2000] for line in text.split("\n")), model_writer=model,
        vocab_size=size, model_type=model_type, normalization_rule_name=rules, byte_fallback=model_type == "bpe",
        minloglevel=2, num_threads=1)
    return model.getvalue()


def trained_unigram(kind, normalizer=None, byte_fallback=False, size=6000):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    special = ["<unk>", "<s>", "</s>"] + ([f"<0x{byte:02X}>" for byte in range(256)] if byte_fallback else [])
    trainer = trainers.UnigramTrainer(vocab_size=size, show_progress=False, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(training_text()[:400], trainer)
    document = json.loads(tokenizer.to_str())
    document["model"]["byte_fallback"] = byte_fallback
    document["added_tokens"] = document["added_tokens"][:3]
    tokenizer = shape(Tokenizer.from_str(json.dumps(document)), kind)
    if normalizer:
        tokenizer.normalizer = normalizer
    return tokenizer


def training_text():
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:120]
    files += sorted(Path(sysconfig.get_paths()["stdlib"]).glob("test/test_*uni*.py"))
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files)
    extra = ["今日は天気がいいので、公園を散歩しました。", "Привет, мир! Сегодня хорошая погода.", "नमस्ते दुनिया, आज मौसम अच्छा है।",
             "오늘은 날씨가 좋아서 공원을 산책했습니다.", "السلام عليكم ورحمة الله وبركاته", "Les élèves ont reçu leurs résultats à l'école."]
    return text.split("\n\n") + extra * 40


# GGUF

def write_gguf(path, tokenizer, model, pre=None, pieces=None, architecture="llama", charsmap=None):
    """A GGUF file with the metadata of a tokenizer and no tensors."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_tokenizer_model(model)
    if pre:
        writer.add_tokenizer_pre(pre)
    if charsmap:
        writer.add_precompiled_charsmap(charsmap)
        writer.add_remove_extra_whitespaces(True)
    if pieces:
        writer.add_token_list([piece for piece, _, _ in pieces])
        writer.add_token_scores([score for _, score, _ in pieces])
        writer.add_token_types([type for _, _, type in pieces])
        writer.add_unk_token_id(next(index for index, piece in enumerate(pieces) if piece[2] == 2))
    else:
        document = json.loads(tokenizer.to_str())
        tokens = {index: token for token, index in document["model"]["vocab"].items()}
        types = dict.fromkeys(tokens, 1)
        for token in document["added_tokens"]:
            tokens[token["id"]] = token["content"]
            types[token["id"]] = 3 if token["special"] else 4
        count = max(tokens) + 1
        writer.add_token_list([tokens.get(index, f"[PAD{index}]") for index in range(count)])
        writer.add_token_types([types.get(index, 5) for index in range(count)])
        writer.add_token_merges([" ".join(merge) for merge in document["model"]["merges"]])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def zoo(cache, models_by_name):
    """Yields (name, make): `make(folder)` writes `tokenizer.json`, and `model.gguf` where there is such a form."""
    def plain(build):
        return lambda folder: build().save(str(folder / "tokenizer.json"), pretty=False)

    def with_gguf(build, model, pre=None, architecture="llama"):
        def make(folder):
            built = build()
            tokenizer, pieces = built if isinstance(built, tuple) else (built, None)
            tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
            write_gguf(folder / "model.gguf", tokenizer, model, pre, pieces, architecture)
        return make

    root = packages(cache)
    for version in ("tokenizer.model.v1", "*240216.model.v2", "*240323.model.v3", "*241114.model.v7"):
        path = found(root, version)
        yield f"mistral-{version[-2:]}", with_gguf(lambda path=path: sentencepiece_file(path, "llama"), "llama")
    path = found(root, "*240323.model.v3")
    yield "mistral-v3-metaspace", plain(lambda: sentencepiece_file(path, ("first", False))[0])
    for version in ("240718", "240911"):
        name = found(root, f"tekken_{version}.json")
        yield f"tekken-{version}", with_gguf(lambda name=name: tekken(name), "gpt2", "tekken")
    tiktoken_files = found(root, "deepseek_tokenizer.json").parent
    yield "cl100k", with_gguf(lambda: tiktoken_file(tiktoken_files / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
                                                    byte_level(LLAMA3)), "gpt2", "dbrx")
    yield "o200k", with_gguf(lambda: tiktoken_file(tiktoken_files / "fb374d419588a4632f3f557e76b4b70aebbca790",
                                                   byte_level(O200K)), "gpt2", "gpt-4o")
    yield "p50k", plain(lambda: tiktoken_file(tiktoken_files / "ec7223a39ce59f226a68acc30dc1af2788490e15",
                                              byte_level(use_regex=True)))
    yield "qwen", plain(lambda: tiktoken_file(found(root, "qwen.tiktoken"), byte_level(QWEN2)))
    yield "whisper", plain(lambda: tiktoken_file(found(root, "multilingual.tiktoken"), byte_level(use_regex=True)))
    yield "deepseek-v3", with_gguf(lambda: Tokenizer.from_file(str(tiktoken_files / "deepseek_tokenizer.json")),
                                   "gpt2", "deepseek-v3")
    yield "anthropic", plain(lambda: Tokenizer.from_file(str(tiktoken_files / "anthropic_tokenizer.json")))
    yield "jurassic", plain(lambda: sentencepiece_file(found(root, "j2-tokenizer.model"), ("always", True))[0])
    jurassic = found(root, "j2-tokenizer.model")
    yield "jurassic-charsmap", plain(lambda: with_charsmap(
        sentencepiece_file(jurassic, ("never", True))[0],
        sentencepiece_model(jurassic.read_bytes()).normalizer_spec.precompiled_charsmap, []))
    for name, path in models_by_name.items():
        yield name, lambda folder, path=path: copy_gguf(path, folder)

    yield "trained-llama", with_gguf(lambda: trained_pieces("llama"), "llama")
    yield "trained-gemma", plain(lambda: trained_pieces("gemma")[0])
    yield "trained-metaspace-split", plain(lambda: trained_pieces(("always", True))[0])
    yield "trained-metaspace-never", plain(lambda: trained_pieces(("never", True))[0])
    yield "trained-unigram", plain(lambda: trained_unigram(("always", True)))
    yield "trained-unigram-bytes", plain(lambda: trained_unigram("llama", byte_fallback=True))
    yield "trained-unigram-normalized", plain(lambda: trained_unigram(("first", True), normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip(),
         normalizers.Replace(Regex(r"\s{2,}|[.]{3}"), " ")])))
    for rules in ("nmt_nfkc", "nfkc_cf"):
        def make(folder, rules=rules):
            proto = sentencepiece_model(trained_sentencepiece(rules))
            charsmap = proto.normalizer_spec.precompiled_charsmap
            tokenizer, pieces = from_sentencepiece(proto, ("always", True))
            with_charsmap(tokenizer, charsmap, [normalizers.Strip(False, True), normalizers.Replace(Regex(" {2,}"), "▁")])
            tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
            write_gguf(folder / "model.gguf", tokenizer, "t5", pieces=pieces, charsmap=charsmap)
        yield f"trained-charsmap-{rules.replace('_', '-')}", make

    def build():
        proto = sentencepiece_model(trained_sentencepiece("nfkc", "bpe"))
        return with_charsmap(from_sentencepiece(proto, "llama")[0], proto.normalizer_spec.precompiled_charsmap,
                             [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    yield "trained-charsmap-bpe", plain(build)
    for name, pattern, pre in [("llama3", LLAMA3, "smaug-bpe"), ("qwen35", QWEN35, None), ("o200k", O200K, "gpt-4o"),
                               ("bloom", BLOOM, "bloom"), ("bailing", BAILING, "bailingmoe"),
                               ("peculiar", PECULIAR, None)]:
        def build(pattern=pattern):
            return trained_byte_level(byte_level(pattern))
        yield f"trained-{name}", with_gguf(build, "gpt2", pre) if pre else plain(build)
    yield "trained-starcoder", with_gguf(lambda: trained_byte_level(byte_level(digits=True, use_regex=True)), "gpt2",
                                         "starcoder")
    for behavior in ("removed", "merged_with_previous", "merged_with_next", "contiguous"):
        yield f"trained-{behavior.replace('_', '-')}", plain(
            lambda behavior=behavior: trained_byte_level(pre_tokenizers.Sequence([
                pre_tokenizers.Split(Regex(r"\p{Lu}|\s|\d\d"), behavior), byte_level(use_regex=True)])))
        yield f"trained-{behavior.replace('_', '-')}-inverted", plain(
            lambda behavior=behavior: trained_byte_level(pre_tokenizers.Sequence([
                pre_tokenizers.Split(Regex(r"\p{L}+|\d"), behavior, invert=True), byte_level(use_regex=False)])))
    yield "trained-words", plain(lambda: trained_byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Whitespace(), pre_tokenizers.Split("_", "isolated"), byte_level(use_regex=False)])))


def copy_gguf(path, folder):
    """A GGUF file that we were given, with the tokenizer that transformers makes of it."""
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).backend_tokenizer
    reader = gguf.GGUFReader(path)
    name = reader.fields.get("tokenizer.ggml.pre")
    if name and name.contents() == "smollm":
        # transformers gives files of this name the GPT-2 split alone.
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "model.gguf").unlink(missing_ok=True)
    (folder / "model.gguf").symlink_to(path.resolve())
