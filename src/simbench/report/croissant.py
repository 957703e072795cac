"""Croissant 1.0 metadata (https://docs.mlcommons.org/croissant/docs/croissant-spec.html) of a run folder.

Every file with its sha256, every Parquet table as a record set with its columns, and what made it: enough for
an archive to show the run and for a reader to load and check it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import simbench
from simbench.files import write_whole
from simbench.harness.kept import name_of
from simbench.harness.run import Run

__all__ = ["write_croissant"]

NAME = "croissant.json"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "equivalentProperty": "cr:equivalentProperty",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
FORMATS = {
    ".parquet": "application/x-parquet",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".html": "text/html",
}
ABOUT = {
    "people": "the humans compared with",
    "pilot": "the humans learned from",
    "responses": "one row per simulated participant",
    "scores": "one row per figure",
    "resamples": "resampled values of the whole-sample figures",
    "coherence": "what the experiment's rule of coherence said of the rows that were scored",
}


def write_croissant(run: Run, license: str = "", creators: Sequence[str] = ()) -> Path:
    """Write ``croissant.json`` into the run's folder and return its path."""
    folder, manifest = run.folder.path, run.manifest
    for name in manifest["products"]:
        run.folder.verify(name)
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix in FORMATS and path.is_file() and path.name != NAME and not path.name.startswith("damaged-")
    ]
    humans, config = manifest["humans"], manifest["config"]
    kind = "SYNTHETIC people, not real ones" if humans["synthetic"] else "real people"
    described: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": run.run_id,
        "description": (
            f"A simbench run: {humans['n_evaluated']} participants of the experiment {name_of(manifest)} "
            f"({kind}: {humans['source']}) simulated by {config['backend']['name']} ({manifest['model']['base']}) "
            f"after a pilot of {humans['n_pilot']}, and compared with the humans. Simulated answers are not answers "
            "of people."
        ),
        "datePublished": manifest["finished"],
        "version": manifest["environment"]["plugins"].get("simbench-eval", simbench.__version__),
        "citeAs": f"simbench {simbench.__version__}, run {run.run_id}",
        "url": run.run_id,
        "distribution": [_file(path) for path in files],
        "recordSet": [_records(path) for path in files if path.suffix == ".parquet"],
    }
    if based := _study(manifest):
        described["isBasedOn"] = based
    if license:
        described["license"] = license
    if creators:
        described["creator"] = [{"@type": "sc:Person", "name": name} for name in creators]
    text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / NAME, lambda file: file.write(text.encode("utf-8", "backslashreplace")))
    return folder / NAME


def _study(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The study that the people are of, as the run keeps it; its licence is not that of the run."""
    kept = manifest.get("experiment")
    if not kept:
        return {}
    told = {"citation": kept["citation"], "license": kept["license"]}
    return {"@type": "sc:CreativeWork", "name": kept["name"], **{key: said for key, said in told.items() if said}}


def _file(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "encodingFormat": FORMATS[path.suffix],
        "contentSize": f"{len(content)} B",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _records(path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": path.stem,
        "name": path.stem,
        "description": ABOUT.get(path.stem, path.name),
        "field": list(_fields(path)),
    }


def _fields(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq
    import pyarrow.types as kinds

    for column in pq.read_schema(path):
        many = kinds.is_list(column.type) or kinds.is_large_list(column.type)
        inner = column.type.value_type if many else column.type
        data = "sc:Integer" if kinds.is_integer(inner) else "sc:Float" if kinds.is_floating(inner) else "sc:Text"
        yield {
            "@type": "cr:Field",
            "@id": f"{path.stem}/{column.name}",
            "name": column.name,
            "dataType": "sc:Boolean" if kinds.is_boolean(inner) else data,
            **({"repeated": True} if many else {}),
            "source": {"fileObject": {"@id": path.name}, "extract": {"column": column.name}},
        }
