#!/usr/bin/env python3
"""Goldens of weight files: written by the formats' own packages, with what those packages read from them.

Tests/Goldens/checkpoints: every safetensors type, a sharded model folder, and a GGUF file with every metadata
type and every block format that it can write, and one with the block formats that it can only read, each beside
the f32 values that the `gguf` package decodes from it.
"""
import shutil

import gguf
import numpy as np
import torch
from golden_files import GOLDENS, write_manifest
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file

SEED = 20_240_602
FOLDER = GOLDENS / "checkpoints"
SHARD_BYTES = 600

INTEGER_TYPES = {
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8,
}  # fmt: skip
BLOCK_TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]
# Where the f16 scales of a block stand. The package cannot write these types: their blocks are made of random bytes.
SCALE_OFFSETS = {
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}  # fmt: skip
# Scale and minimum of one block after the other: common ones, the largest, denormals, zeros of both signs.
SCALES = [
    (0.013, 0.021), (-0.0031, 0.0007), (65504.0, 65504.0), (-65504.0, 2**-24), (2**-24, -65504.0), (-6.1e-5, -0.0),
    (-0.0, 0.0), (1.0, -1.0),
]  # fmt: skip


def special_values() -> torch.Tensor:
    """Where rounding and exponent ranges of f16 and bf16 go wrong first."""
    return torch.tensor(
        [0.0, -0.0, 1.0, -1.5, 65504.0, 6.1035156e-05, 5.9604645e-08, 6.0975552e-05, 1 / 3, float("inf")]
    )


def write_safetensors() -> None:
    values = special_values()
    tensors = {
        "F64": torch.tensor([[1 / 3, -2.0]], dtype=torch.float64),
        "F32": values,
        "F16": values.to(torch.float16),
        "BF16": values.to(torch.bfloat16),
        "F8_E4M3": torch.tensor([1.0, -0.5, 448.0]).to(torch.float8_e4m3fn),
        "F8_E5M2": torch.tensor([1.0, -0.5, 57344.0]).to(torch.float8_e5m2),
        "BOOL": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
    }
    for name, dtype in INTEGER_TYPES.items():
        tensors[name] = torch.tensor([[1, 2, 3], [4, 5, 127]], dtype=dtype)
    save_file(tensors, FOLDER / "every-type.safetensors", metadata={"format": "pt", "note": "é \"quoted\""})
    save_file(
        {name: tensors[name].float() for name in ["F32", "F16", "BF16"]}, FOLDER / "every-type-as-f32.safetensors"
    )


def write_sharded() -> None:
    state = {f"model.layers.{i}.weight": torch.randn(8, 16) for i in range(3)}
    state["model.norm.weight"] = torch.ones(16)
    save_torch_state_dict(state, FOLDER / "sharded", max_shard_size=SHARD_BYTES)


def write_gguf(random: np.random.Generator) -> None:
    writer = gguf.GGUFWriter(FOLDER / "every-type.gguf", "llama")
    writer.add_uint8("test.uint8", 200)
    writer.add_int8("test.int8", -100)
    writer.add_uint16("test.uint16", 60_000)
    writer.add_int16("test.int16", -30_000)
    writer.add_uint32("test.uint32", 4_000_000_000)
    writer.add_int32("test.int32", -2_000_000_000)
    writer.add_uint64("test.uint64", 2**63)
    writer.add_int64("test.int64", -(2**62))
    writer.add_float32("test.float32", 0.1)
    writer.add_float64("test.float64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "naïve 😀")
    writer.add_array("test.strings", ["a", "", "é", "日本"])
    writer.add_array("test.integers", [1, -2, 3])
    writer.add_array("test.floats", [0.5, -1.25])
    writer.add_array("test.bools", [True, False])
    expected = {}
    for name in BLOCK_TYPES:
        quantisation = gguf.GGMLQuantizationType[name]
        values = (random.standard_normal((3, 64)) * 0.05).astype(np.float32)
        # A row of zeros has scale zero; a shifted row needs the minimum of Q4_1 and Q5_1.
        values[1] = 0
        values[2] += 1
        stored = gguf.quantize(values, quantisation)
        tensor = f"blk.0.{name.lower()}.weight"
        # Types that numpy has no name for travel as bytes, whose shape the writer takes apart again.
        writer.add_tensor(tensor, stored, raw_dtype=quantisation)
        expected[tensor] = torch.from_numpy(gguf.dequantize(stored, quantisation).reshape(3, 64).copy())
    undecoded = gguf.GGMLQuantizationType.IQ2_XXS
    writer.add_tensor("blk.1.iq2_xxs.weight", np.zeros((2, 66), dtype=np.uint8), raw_dtype=undecoded)
    finish(writer)
    save_file(expected, FOLDER / "every-type-gguf-as-f32.safetensors")


def write_block_types(random: np.random.Generator) -> None:
    writer = gguf.GGUFWriter(FOLDER / "block-types.gguf", "llama")
    expected = {}
    for name, offsets in SCALE_OFFSETS.items():
        quantisation = gguf.GGMLQuantizationType[name]
        length, size = gguf.GGML_QUANT_SIZES[quantisation]
        count = 4 * 512 // length
        blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
        # The smallest and the largest of every bit field.
        blocks[-2], blocks[-1] = 0, 255
        for index, block in enumerate(blocks):
            for offset, scale in zip(offsets, SCALES[index % len(SCALES)]):
                block[offset : offset + 2] = np.frombuffer(np.float16(scale).tobytes(), dtype=np.uint8)
        stored = blocks.reshape(4, -1)
        tensor = f"blk.0.{name.lower()}.weight"
        writer.add_tensor(tensor, stored, raw_dtype=quantisation)
        expected[tensor] = torch.from_numpy(gguf.dequantize(stored, quantisation).reshape(4, 512).copy())
        assert expected[tensor].isfinite().all(), "NaN and infinity differ in their bits between processors"
    finish(writer)
    save_file(expected, FOLDER / "block-types-as-f32.safetensors")


def finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "sharded").mkdir(parents=True)
    torch.manual_seed(SEED)
    write_safetensors()
    write_sharded()
    write_gguf(np.random.default_rng(SEED))
    write_block_types(np.random.default_rng(SEED))
    write_manifest(FOLDER, __file__, SEED, ["gguf", "safetensors", "torch", "numpy", "huggingface_hub"])


if __name__ == "__main__":
    main()
