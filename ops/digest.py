"""What a model's files are, in one word that is the same wherever they lie."""

import hashlib
from pathlib import Path

MODEL = "model.onnx"


def digest(folder: Path) -> str:
    """``sha256:…`` of model.onnx, the file that answers; without one, of all files and their places.

    Args:
        folder: holds the model's folder at any depth.
    """
    if models := sorted(folder.rglob(MODEL)):
        return f"sha256:{_of(models[0])}"
    whole = hashlib.sha256()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    # The folders above the model differ from place to place; those inside it do not.
    root = Path(*_common([path.relative_to(folder).parts[:-1] for path in files]))
    for path in files:
        whole.update(f"{path.relative_to(folder / root).as_posix()}\0{_of(path)}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    shared: list[str] = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return tuple(shared)


def _of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
