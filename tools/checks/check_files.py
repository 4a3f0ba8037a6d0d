#!/usr/bin/env python3
"""Let the formats' own packages read what our writers write: safetensors and gguf.

Runs the tests that write such files, then compares every tensor and metadata value with what it should hold.
With --model, a GGUF file, also compares our decoding of every tensor in it with that of the gguf package.
"""
import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors import safe_open

REPOSITORY = Path(__file__).resolve().parent.parent.parent
VALUES = (np.arange(192) - 96).astype(np.float32) / np.float32(3)
SHAPES = {"half.odd": (3,), "half": (2, 96), "brain": (2, 3, 32), "full": (192,), "eight": (2, 96)}
TYPES = {"half.odd": torch.float16, "half": torch.float16, "brain": torch.bfloat16, "full": torch.float32}
GGUF_TYPES = {"half.odd": "F16", "half": "F16", "brain": "BF16", "full": "F32", "eight": "Q8_0"}
METADATA = {
    "general.architecture": "llama", "general.type": "adapter", "test.bool": True, "test.uint32": 2**32 - 1,
    "test.int32": -7, "test.uint64": 2**40, "test.float32": np.float32(0.1), "test.strings": ["x", "", "é"],
    "test.int32s": [-1, 2], "test.uint32s": [3], "test.float32s": [0.5, np.float32(0.1)],
}  # fmt: skip


def write_files(folder: Path, model: Path | None) -> None:
    environment = os.environ | {"SPARSELORA_CHECK_FILES": str(folder)}
    if model:
        environment["SPARSELORA_CHECK_MODEL"] = str(model.resolve())
    command = ["swift", "test", "--filter", "FilesForOtherReadersTests"]
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True)


def check_tensor(name: str, tensor: torch.Tensor) -> None:
    if name == "empty":
        assert tensor.shape == (0, 5) and tensor.dtype == torch.float32, name
    elif name == 'naïve "name"\n':
        assert tensor.shape == () and tensor.item() == 2.5, name
    else:
        count = int(np.prod(SHAPES[name]))
        expected = torch.from_numpy(VALUES[:count]).to(TYPES[name]).reshape(SHAPES[name])
        assert tensor.dtype == expected.dtype and torch.equal(tensor, expected), name


def check_safetensors(paths: list[Path]) -> None:
    names: list[str] = []
    for path in paths:
        with safe_open(path, framework="pt") as file:
            assert file.metadata() == {"format": "pt", "note": 'é\t"x"'}, path
            for name in file.keys():
                check_tensor(name, file.get_tensor(name))
                names.append(name)
    assert sorted(names) == sorted([*TYPES, "empty", 'naïve "name"\n']), names
    print(f"safetensors reads {len(names)} tensors in {len(paths)} file(s)")


def check_gguf(path: Path) -> None:
    reader = gguf.GGUFReader(path)
    for key, expected in METADATA.items():
        found = reader.fields[key].contents()
        assert found == expected, f"{key}: {found} is not {expected}"
    assert {tensor.name for tensor in reader.tensors} == set(GGUF_TYPES)
    for tensor in reader.tensors:
        kind = gguf.GGMLQuantizationType[GGUF_TYPES[tensor.name]]
        shape = SHAPES[tensor.name]
        assert tensor.tensor_type == kind and tuple(reversed(tensor.shape.tolist())) == shape, tensor.name
        expected = gguf.quantize(VALUES[: int(np.prod(shape))].reshape(shape), kind)
        assert tensor.data.tobytes() == expected.tobytes(), tensor.name
    print(f"gguf reads {len(reader.tensors)} tensors and {len(METADATA)} metadata values")


def check_model(decoded: Path, model: Path) -> None:
    reader = gguf.GGUFReader(model)
    with safe_open(decoded, framework="np") as file:
        assert set(file.keys()) == {tensor.name for tensor in reader.tensors}
        for tensor in reader.tensors:
            expected = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape[::-1])
            assert np.array_equal(file.get_tensor(tensor.name), expected), tensor.name
    print(f"{model.name}: {len(reader.tensors)} tensors decode to the same values as gguf's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a GGUF file whose decoding is compared too")
    model = parser.parse_args().model
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, model)
        check_safetensors([folder / "one.safetensors"])
        check_safetensors(sorted(folder.glob("model-*.safetensors")))
        check_gguf(folder / "one.gguf")
        if model:
            check_model(folder / "decoded.safetensors", model)


if __name__ == "__main__":
    main()
