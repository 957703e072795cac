"""GGUF files, converted once to a folder that transformers loads in a moment."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from simbench.errors import StorageError
from simbench_local.reading import reading

__all__ = ["convert", "file_sha256", "is_whole"]

MARK = "simbench.json"
FORMAT = 1  # raised when a conversion of an earlier version may no longer be used
GROWTH = 9  # bytes of fp32 per byte of a 4-bit file, rounded up


def file_sha256(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whole(folder: Path, read: bool = True) -> bool:
    """Whether ``folder`` is a finished conversion whose files are as they were written.

    ``read=False`` compares their sizes alone. Conversions of earlier versions have no hashes to compare with.
    """
    try:
        mark = json.loads((folder / MARK).read_text())
        if mark["format"] != FORMAT or {n: (folder / n).stat().st_size for n in mark["sizes"]} != mark["sizes"]:
            return False
        hashes = mark.get("sha256", {}) if read else {}
        return {name: file_sha256(folder / name) for name in hashes} == hashes
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def convert(file: Path, folder: Path, say: Callable[[str], None]) -> None:
    """Write ``file`` as fp32 safetensors into ``folder``, unless that is done. Safe between processes.

    Raises ModelError for a GGUF that transformers cannot read, StorageError for a full or read-only disk.
    """
    if is_whole(folder):
        return
    from filelock import FileLock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if is_whole(folder):
                return
            _room(folder.parent, file.stat().st_size * GROWTH)
            damaged = (folder / MARK).exists()
            say(f"converting {file.name} ({f'again: {folder} is damaged' if damaged else 'once'})")
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as scratch:
                made = Path(scratch) / "model"
                _write(file, made)
                if folder.exists():
                    shutil.rmtree(folder)
                os.replace(made, folder)
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        raise StorageError(
            f"the model cache {folder.parent} cannot be written: {reason}. Make room, or choose another "
            "place with the environment variable SIMBENCH_CACHE."
        ) from error


def _room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise OSError(errno.ENOSPC, f"{wanted / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")


def _write(file: Path, folder: Path) -> None:
    folder.mkdir()
    _convert(file, folder)
    made = sorted(folder.iterdir())
    mark = {
        "format": FORMAT,
        "source": file.name,
        "sizes": {path.name: path.stat().st_size for path in made},
        "sha256": {path.name: file_sha256(path) for path in made},
    }
    (folder / MARK).write_text(json.dumps(mark))


def _convert(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    # its bar over the file's tensors is drawn whatever its settings say
    with reading(f"transformers cannot read {file.name}"), redirect_stderr(io.StringIO()):
        model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
        tokenizer = _tokenizer(file)
    # transformers refuses to save what it believes is still quantised
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(file: Path) -> Any:
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    if _pre_tokenizer(file) == "smollm":
        # transformers ignores this field of the file and takes the pre-tokenizer of another model
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
    return tokenizer


def _pre_tokenizer(file: Path) -> str:
    """What the file itself says of how its text is cut before byte-pair encoding."""
    from gguf import GGUFReader

    field = GGUFReader(file).get_field("tokenizer.ggml.pre")
    return "" if field is None else str(field.contents())
