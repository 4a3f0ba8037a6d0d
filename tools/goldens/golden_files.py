"""Shared by the golden generators: where goldens live, and the manifest that says how they were made."""
import hashlib
import importlib.metadata
import json
import platform
from pathlib import Path

GOLDENS = Path(__file__).resolve().parent.parent.parent / "Tests" / "Goldens"


def write_manifest(folder: Path, generator: str, seed: int, packages: list[str], **facts) -> None:
    """Describe every file under `folder`; a file that no longer matches its SHA-256 was edited by hand."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "manifest.json":
            data = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = {
        "generator": f"tools/goldens/{Path(generator).name}",
        "seed": seed,
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in packages},
        **facts,
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
