"""Words of the command line: every one ends in exit code 0 or 2; what is refused, in a line and without files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .conftest import QUICK, CommandLine

STUDY = ("experiment=yaml", "experiment.file=tiny.yaml", *QUICK, "metric=[js_distance]")
PLAIN = ("backend=uniform", "sampler=none")

WORDS: tuple[tuple[str, ...], ...] = (
    ("experiment.data=~nosuchuser/x.csv",),
    ("experiment.file=~nosuchuser/x.csv",),
    ("scoring.resamples=100000000000000000000",),
    ("scoring.splits=100000000000000000000",),
    ("scoring.floors=100000000000000000000",),
    ("scoring.baseline_resamples=100000000000000000000",),
    ("replicates=100000000000000000000",),
    ("seed=100000000000000000000",),
    ("scoring.seed=100000000000000000000",),
    ("replicates=1000000000",),
    ("scoring.resamples=1000000000",),
    ("replicates=1000000",),
    ("budget=nan",),
    ("budget=inf",),
    ("reserve=nan",),
    ("scoring.confidence=nan",),
    ("experiment=null",),
    ("metric=null",),
    ("adapt_on=5",),
    ("adapt_on=[a]",),
    ("adapt_on={a:1}",),
    ("seed=glob(*)",),
    ("-m", "seed=glob(*)"),
    ("-m", "backend=glob(*)"),
    ("seed=${nope}",),
    ("out=${nope}",),
    ("${nope}",),
    ("out=${oc.env:NOPE_X}",),
    ("seed=${out}",),
    ("-m", "hydra.launcher.n_jobs=0"),
    ("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0"),
    ("-m", "metric=[js_distance],[individual]"),
    ("-m", "metric=js_distance,individual"),
    ("metric=[a],[b]",),
    ("-m", "metric=[a],[b]"),
    ("-m", "hydra/launcher=nope"),
    ("-m", "launcher=nope"),
    ("sampler=null",),
    ("experiment=[]",),
    ("experiment={}",),
    ("backend=[]",),
    ("metric=[]",),
    ("metric={}",),
    ("metric=5",),
    ("metric=[5]",),
    ("metric=[null]",),
    ("scoring=null",),
    ("scoring=5",),
    ("scoring={}",),
    ("interview=null",),
    ("interview=5",),
    ("evaluate=null",),
    ("seed=null",),
    ("seed=true",),
    ("seed=2.5",),
    ("out=null",),
    ("out=",),
    ("out=5",),
    ("out=[a]",),
    ("report=maybe",),
    ("study=[a]",),
    ("train_without=beliefs",),
    ("train_without=[x]",),
    ("train_without=null",),
    ("-m", "seed=${nope}"),
    ("-m", "seed=1,2", "study='${nope}'"),
    ("nonsense",),
    ("experiment.file=${experiment.file}",),
    ("seed=${oc.decode:x}",),
    ("seed=${oc.env:HOME}",),
    ("seed=${seed}",),
    ("out='${'",),
    ("out='${}'",),
    ("out='${oc.create:1}'",),
    ("study='${hydra:runtime.cwd}'",),
    ("~seed",),
    ("~backend",),
    ("~experiment",),
    ("~metric",),
    ("~nosuch",),
    ("~scoring.resamples",),
    ("~hydra",),
    ("+seed=3",),
    ("+nosuch=3",),
    ("++nosuch=3",),
    ("++seed=3",),
    ("+backend=uniform",),
    ("experiment.data='~nosuchuser/x.csv'",),
    ("experiment.file='~nosuchuser/x.yaml'",),
    ("out='~nosuch/x'",),
    ("-m", "out='~nosuch/x'"),
    ("out='a\x00b'",),
    ("hydra=null",),
    ("-m", "hydra=null"),
    ("hydra=5",),
    ("hydra.job=null",),
    ("hydra.run.dir=null",),
    ("hydra.run.dir=/proc/x",),
    ("-m", "hydra.sweep.dir=elsewhere"),
    ("-m", "hydra.sweep.subdir=x"),
    ("-m", "hydra.sweep.subdir=null"),
    ("-m", "hydra.sweep.dir=null"),
    ("-m", "hydra.sweep.dir=/proc/x"),
    ("-m", "hydra.sweeper=null"),
    ("-m", "hydra.launcher=null"),
    ("-m", "hydra/sweeper=nope"),
    ("hydra.mode=MULTIRUN",),
    ("hydra.mode=nope",),
    ("-m", "hydra.mode=RUN"),
    ("hydra.job.chdir=true",),
    ("hydra.output_subdir=x",),
    ("-m", "hydra.sweeper.params={seed:'1,2'}"),
    ("-m", "hydra.sweeper.params={out:'a,b'}"),
    ("-m", "hydra.sweeper.max_batch_size=0"),
    ("-m", "--cfg", "job"),
    ("-m", "seed=1,2", "status"),
    ("--cfg", "job"),
    ("--cfg", "nope"),
    ("--cfg",),
    ("--info",),
    ("--info", "nope"),
    ("--nosuch",),
    ("--resolve",),
    ("--package",),
    ("--run",),
    ("-cn", "nope"),
    ("-cp", "nope"),
    ("-cd", "nope"),
    ("--config-dir=nope",),
    ("--config-name=nope",),
    ("hydra.searchpath=[nope]",),
    ("hydra.searchpath=5",),
    ("-m", "seed=range(0,10**9)"),
    ("-m", "seed=range(0,1000000000)"),
    ("-m", "seed=range(0,5,0)"),
    ("-m", "seed=range(0,1000)", "replicates=range(1,1000)"),
    ("-m", "seed=interval(0,1)"),
    ("-m", "seed=choice()"),
    ("-m", "seed=range(5,0)"),
    ("-m", "seed=tag(a,b)"),
    ("-m", "seed=int(2.5)"),
    ("-m", "seed=sort(2,1)"),
    ("-m", "seed=shuffle(2,1)"),
    ("-m", "seed=nope(2)"),
    ("seed=1e400",),
    ("seed='",),
    ("seed=(",),
    ("seed={",),
    ("=3",),
    ("=",),
    ("a.b.c.d=3",),
    ("scoring..resamples=3",),
    ("scoring.resamples.x=3",),
    (".seed=3",),
    ("seed.=3",),
    ("@seed=3",),
    ("seed@x=3",),
    ("backend@x=uniform",),
    ("experiment@backend=yaml",),
    ("seed=\n3",),
    ("seed=\udcff",),
    ("\udcff=1",),
    ("experiment.file='\udcff.yaml'",),
    ("study=\xe9\u2603",),
    ("study='\x1b[31m'",),
    ("backend=majority",),
    ("seed=1", "seed=2"),
    ("-m", "out=a,b"),
    ("-m", "out='a,b'"),
    ("-m", "out='a b'", "seed=1,2"),
    ("-m", "out=x_${seed}", "seed=1,2"),
    ("-m", "++out=z", "seed=1,2"),
    ("-m", "+out=z", "seed=1,2"),
    ("-m", "~out", "seed=1,2"),
    ("-m", "hydra.sweep.subdir=${seed}", "seed=1,2"),
    ("-m", "out=a", "out=b"),
    ("-m", "out=a", "out=b,c"),
    ("-m", "seed=1,2", "out=${nope}"),
    ("~scoring.nope",),
    ("seed=[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]",),
    ("-m", "out='a\x00b'"),
    ("-m", "launcher=joblib", "hydra.launcher.n_jobs=0"),
    ("-m", "launcher=joblib", "hydra.launcher.n_jobs=1", "seed=1,2"),
    ("--version",),
    ("seed=1",),
)
"""Beside an experiment, ``backend=uniform`` and ``sampler=none``."""

CHOICES: tuple[tuple[str, ...], ...] = (
    ("backend=uniform", "sampler.n=100000000000000000000"),
    ("backend=uniform", "sampler.n=-1"),
    ("backend=uniform", "sampler=random", "sampler.groups=100000000000000000000"),
    ("backend=uniform", "sampler.fraction=nan"),
    ("backend=uniform", "sampler.fraction=inf"),
    ("backend=local", "backend.temperature=nan"),
    ("backend=local", "backend.temperature=inf"),
    ("backend=local", "backend.temperature=1e400"),
    ("backend=local", "backend.temperature=1e-320"),
    ("backend=local", "backend.learning_rate=nan"),
    ("backend=local", "backend.learning_rate=inf"),
    ("backend=local", "backend.learning_rate=1e400"),
    ("backend=local", "backend.learning_rate=1e-320"),
    ("backend=null",),
    ("backend={}",),
    ("backend=[uniform]",),
    ("backend=",),
    ("backend={name:uniform}",),
    ("~backend",),
    ("--help", "--nosuch"),
    ("--version", "x=1"),
    ("-m", "--help"),
    ("--version",),
)
"""Beside an experiment alone."""

LOCAL: tuple[tuple[str, ...], ...] = (
    *((f"backend.model={each}", "sampler=none") for each in ("./no-such-model", "../x", "/nowhere", "", "a/b/c")),
    ("backend.model=~nosuchuser/m",),
    ("backend.model='~nosuchuser/m'",),
    ("backend.model='a\0b'",),
    ("backend.model=" + "x" * 5000,),
    *((f"backend.device={each}",) for each in ("nope", "meta", "", "''", "cuda:99", "cuda:-1", "[cpu]", "null")),
    *((f"backend.rank={each}",) for each in ("99999999999", "0", "-1", "2.5", "nan")),
    *((f"backend.targets={each}",) for each in ("nope", "", "''", "[]", "[nope]", "q_proj,nope")),
    ("backend.revision=nope", "sampler=none"),
    ("backend.revision=nope",),
    ("backend.adapter=/nowhere",),
    *((f"backend.{each}=100000000000000000000",) for each in ("epochs", "batch_size", "train_batch", "shots")),
    ("backend.epochs=-1",),
    ("backend.dtype=nope",),
)
"""Beside an experiment and ``backend=local``: what no model has, or none is."""

LONG = {
    "a deep list": "seed=" + "[" * 2000 + "]" * 2000,
    "a list": "seed=" + "[" * 200 + "]" * 200,
    "a number": "seed=" + "9" * 5000,
    "a name": "study=" + "a" * 100_000,
    "a cell": "cell=" + "a" * 9000,
    "a folder": "out=" + "x" * 5000,
    "a folder's part": "out=" + "x" * 300,
    "many folders": "out=" + "/".join(["y" * 200] * 30),
}
VERBS: tuple[tuple[str, ...], ...] = (
    ("nosuch",),
    ("report", "nowhere"),
    ("report", ".", "-o", "tiny.csv"),
    ("report", "-o", "/proc/x", "."),
    ("compare", "nowhere"),
    ("compare", "."),
    ("export", "nowhere"),
    ("score", "nowhere"),
    ("score", ".", "--metric", "nope"),
    ("status", "nowhere"),
    ("cache", "prune", "--older-than", "nan"),
    ("cache", "prune", "--older-than", "inf"),
    ("cache", "prune", "--older-than", "-1"),
    ("cache", "nope"),
    ("show",),
    ("show", "backend", "nope"),
    ("show", "nope", "nope"),
    ("estimate", "experiment=nope"),
    ("check",),
    ("check", "nowhere.yaml"),
    ("check", "a\0.yaml"),
    ("check", "sampler", "nope"),
    ("check", "nope", "random"),
    ("check", "sampler", "random", "n"),
    ("check", "sampler", "random", "n=[", "m={"),
    ("check", "sampler", "random", "n=many"),
    ("new",),
    ("new", "study", "nowhere.csv"),
    ("new", "study", "a\0.csv"),
    ("new", "study", ".", "-o", "x" * 300 + ".yaml"),
    ("new", "plugin", "a/b", "--kind", "sampler"),
    ("new", "plugin", "x", "--kind", "sampler", "--package", "../up"),
    ("pretrain",),
    ("pretrain", "n=3"),
    ("pretrain", "--leave-out", "nope"),
    ("pretrain", "--leave-out", "yaml"),
    ("pretrain", "--leave-out", "framing", "n=0"),
    ("pretrain", "--leave-out", "framing", "backend=uniform"),
    ("pretrain", "--leave-out", "framing", "backend.nope=1"),
    ("pretrain", "--leave-out", "framing", "out=" + "x" * 300),
    ("estimate", "pretrain"),
    ("demo", "nope=1"),
    ("demo", "--nope"),
    ("estimate", "-m"),
    ("plugins", "--nope"),
    ("report", "\udcff"),
    ("report", "a\0b"),
    ("report", "~nosuchuser/x"),
    ("report", "x" * 300),
    ("report", ".", "-o", "~nosuchuser/x"),
    ("status", "~nosuchuser/x"),
    ("status", "x" * 300),
    ("score", "runs", "--set", "scoring={"),
    ("cache", "--out", "a\0b"),
    ("cache", "--out", "nowhere"),
    ("cache", "merge", "x" * 300),
    ("estimate", "backend=uniform", "--cfg", "job"),
    ("estimate", "+study=ablation"),
    ("estimate", "${nope}"),
    ("",),
    ("-",),
    ("--",),
    ("\x1b",),
    ("a" * 10_000,),
    ("+",),
    ("~",),
    ("=",),
    ("+=x",),
    ("-m", "+study=nope"),
    ("+study=ablation", "cell=nope"),
    ("+study=ablation", "+study=paper"),
    ("+study=../../etc/passwd",),
)


def files() -> set[Path]:
    """What stands in the current folder, but for the study, and the record of a sweep whose jobs were all refused."""
    found = {path for path in Path().rglob("*") if path.is_file() and path.name not in ("tiny.yaml", "tiny.csv")}
    return {path for path in found if not (path.parent / "0.json").is_file()}


def ended(command_line: CommandLine, words: tuple[str, ...]) -> None:
    """Carry out and judge."""
    many = [word for word in words if word == "-m"]
    found = command_line(*many, *STUDY, *(word for word in words if word != "-m"))
    if found.code == 2:
        said = [line for line in found.text.splitlines() if line.startswith("simbench: ")]
        assert said, found.text
        assert not files(), files()


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("number", range(len(WORDS)))
def test_words_of_a_run(command_line: CommandLine, number: int) -> None:
    ended(command_line, (*PLAIN, *WORDS[number]))


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("number", range(len(CHOICES)))
def test_choices_of_parts(command_line: CommandLine, number: int) -> None:
    ended(command_line, CHOICES[number])


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("number", range(len(LOCAL)))
def test_settings_of_a_local_model(command_line: CommandLine, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that may stay is the folder of a run that failed, which says why in the words on the screen."""
    monkeypatch.setattr("simbench_local.loading.load", lambda *_, **__: pytest.fail("a model was loaded"))
    found = command_line(*STUDY, "backend=local", *LOCAL[number])
    assert found.code == 2
    (said,) = (line for line in found.text.splitlines() if line.startswith("simbench: "))
    for path in Path().rglob("manifest.json"):
        manifest = json.loads(path.read_text())
        assert manifest["status"] == "failed"
        assert said == f"simbench: {manifest['error']['message']}"
    assert not [path for path in files() if not (path.parent / "manifest.json").is_file()]


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    "words", [("out='a b'",), ("out='a,b'",), ("++out=z",), ("hydra.sweep.dir=x",), ("hydra.sweep.subdir=x",)]
)
def test_a_sweep_finds_its_runs(command_line: CommandLine, words: tuple[str, ...]) -> None:
    """Whatever says where, nothing is done in one place and missing in another."""
    ended = command_line("-m", *STUDY, *PLAIN, "seed=1,2", *words)
    assert ended.code == 0
    assert "2 of 2 runs done" in ended.text
    places = {path.parents[1] for path in Path().rglob("manifest.json")}
    (place,) = places
    told = json.loads(command_line("status", "--json", str(place)).text)
    assert (told["counts"]["done"], told["missing"]) == (2, [])


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("what", LONG)
def test_long_words(command_line: CommandLine, what: str) -> None:
    ended(command_line, (*PLAIN, LONG[what]))
    ended(command_line, ("-m", *PLAIN, LONG[what]))


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("number", range(len(VERBS)))
def test_words_of_verbs(command_line: CommandLine, number: int) -> None:
    command_line(*VERBS[number])
    assert not files(), files()


@pytest.mark.usefixtures("study")
@given(
    key=st.sampled_from(
        ("seed", "scoring.resamples", "sampler.n", "backend", "metric", "out", "hydra.sweep.dir", "x")
    ),
    value=st.text(st.characters(exclude_characters="\0"), max_size=12),
)
def test_any_value(key: str, value: str, command_line: CommandLine) -> None:
    """``estimate`` composes and checks as a run does, and carries out nothing."""
    command_line("estimate", *STUDY, *PLAIN, f"{key}={value}")


@pytest.mark.usefixtures("study")
def test_words_of_verbs_where_there_is_a_run(command_line: CommandLine) -> None:
    assert command_line(*STUDY, *PLAIN, "report=false").code == 0
    before = files()
    for words in (
        ("report", "-o", "tiny.csv"),
        ("report", "-o", "tiny.csv/x", "--no-figures"),
        ("report", "-o", "/proc/x", "--no-figures"),
        ("report", "nope=3"),
        ("score", "runs", "--set", "scoring={"),
        ("score", "runs", "--set", "scoring.seed=${nope}"),
        ("score", "runs", "--set", "scoring.resamples=100000000000000000000"),
        ("score", "runs", "--metric", ""),
        ("compare", "runs", "--against", "nope"),
        ("cache", "prune", "--older-than", "nan"),
        ("cache", "prune", "--older-than", "inf"),
        ("cache", "prune", "--older-than", "1e300"),
        ("cache", "prune", "--older-than", "-5"),
    ):
        ended = command_line(*words)
        assert ended.code == 2, words
        assert len(ended.text.strip().splitlines()) == 1, words
    assert files() == before
    assert command_line("cache", "merge", "runs").code == 2  # itself: it waited for its own lock
    assert command_line("export", "runs", "--license", "\udcff").code == 0


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("launcher", ["joblib", "submitit", "submitit_local", "ray", "ray_cluster", "ray_gpu"])
def test_a_launcher_without_its_package(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    monkeypatch.setattr("simbench.cli.check.find_spec", lambda name: None)
    ended = command_line("-m", *STUDY, *PLAIN, f"launcher={launcher}")
    assert ended.code == 2
    assert f"pip install 'simbench-eval[{launcher.partition('_')[0]}]'" in ended.text
    assert not files()


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    "words", [("--experimental-rerun", "job.pickle"), ("--experimental-rerun=job.pickle",), ("--exp=job.pickle",)]
)
def test_no_pickle_is_read(command_line: CommandLine, words: tuple[str, ...]) -> None:
    Path("job.pickle").write_bytes(b"cshutil\ncopyfile\n(Vtiny.csv\nVcanary\ntR.")
    ended = command_line(*STUDY, *PLAIN, *words)
    assert ended.code == 2
    assert "reads a pickle" in ended.text
    assert not Path("canary").exists()
