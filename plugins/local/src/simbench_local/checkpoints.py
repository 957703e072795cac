"""The state of a training on disk: whole or not at all, and never trusted when damaged."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import torch

from simbench.errors import ModelError, StorageError
from simbench.files import write_whole
from simbench_local.reading import reading

__all__ = ["read_state", "write_state", "writing"]


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and plain values; the file begins with the sha256 of what follows."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    content = buffer.getbuffer()

    def write(file: IO[bytes]) -> None:
        file.write(hashlib.sha256(content).hexdigest().encode())
        file.write(content)

    with writing(path.parent):
        write_whole(path, write)


def read_state(path: Path, device: torch.device) -> dict[str, Any]:
    """What :func:`write_state` wrote; ModelError where a byte of it is not."""
    with reading(f"{path} is damaged"):
        content = path.read_bytes()
        if hashlib.sha256(content[64:]).hexdigest().encode() != content[:64]:
            raise ModelError(f"{path} is damaged: its content is not what was written")
        state: dict[str, Any] = torch.load(io.BytesIO(content[64:]), map_location=device, weights_only=True)
    return state


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say plainly that a folder cannot be written, in whatever way a library puts it."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise StorageError(f"{folder} cannot be written: {error}") from error
