"""Files that somebody else wrote: studies, expressions, formulas, tables. Each is read or refused in a line.

A case passes where its door ends with 0 or 2: no traceback, no library's warning (they are errors here), nothing
executed (a canary file stands for it), nothing left in the folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
import rdata
import yaml
from hypothesis import given
from hypothesis import strategies as st

from simbench.cli import main
from simbench.errors import DataError, UserError
from simbench.experiments.declared import DeclaredConfig, DeclaredExperiment
from simbench.experiments.expressions import Rule
from simbench.metrics.trial import refuse_unfit
from simbench.stats.regression import formula_designs

CANARY = Path("/tmp") / f"simbench-canary-{os.getpid()}"
STUDY: dict[str, Any] = {
    "name": "fuzz",
    "introduction": "A study.",
    "vignettes": "A {tone} story.",
    "factors": {"tone": {0: "good", 1: "bad"}},
    "profile": {"age": {"bins": [30, 50]}, "home": {}},
    "items": {
        "harm": {"role": "belief", "text": "Harm?", "options": [1, 2, 3]},
        "share": {"role": "belief", "text": "Share?", "bins": [0, 50], "top": 100},
        "sent": {"role": "decision", "text": "Send?", "options": {0: "no", 1: "yes"}},
    },
    "coherence": "(harm > 2) == (sent == 1)",
    "regressions": ["harm ~ tone"],
    "data": "people.csv",
}
N = 24
PEOPLE = pd.DataFrame(
    {
        "participant_id": [f"p{number}" for number in range(N)],
        "tone": np.arange(N) % 2,
        "age": 20 + np.arange(N),
        "home": np.where(np.arange(N) % 3, "town", "land"),
        "harm": np.arange(N) % 3 + 1,
        "share": np.arange(N) * 4,
        "sent": np.arange(N) // 2 % 2,
    }
)


@pytest.fixture(autouse=True)
def nothing_executed() -> Iterator[None]:
    CANARY.unlink(missing_ok=True)
    yield
    assert not CANARY.exists(), "something of the file was executed"


def answered(door: Callable[[], Any]) -> str:
    """What a door says, in words; empty where it opens. Everything but a UserError in short lines fails."""
    refused: UserError | None = None
    try:
        door()
    except UserError as error:
        refused = error
    if refused is None:
        return ""
    words = str(refused)
    assert refused.exit_code == 2
    assert words.strip()
    assert max(map(len, words.splitlines())) < 1500
    if not isinstance(refused, DataError) and "problem(s)" not in words and "regression(s)" not in words:
        assert len(words.splitlines()) == 1
    return words


def load(folder: Path, text: str | bytes | None = None, **config: str) -> None:
    """Everything that happens to a study before anybody is asked."""
    path = folder / "study.yaml"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    experiment = DeclaredExperiment(DeclaredConfig(str(path), **config))
    people = experiment.people()
    refuse_unfit(people)
    next(experiment.script().interviews(people))


def study(folder: Path, **changes: Any) -> None:
    if not (folder / "people.csv").exists():
        PEOPLE.to_csv(folder / "people.csv", index=False)
    load(folder, yaml.safe_dump(STUDY | changes, sort_keys=False, allow_unicode=True))


def test_the_study_itself_is_fine(tmp_path: Path) -> None:
    assert answered(lambda: study(tmp_path)) == ""


FILES: dict[str, str | bytes] = {
    "tag": f"name: !!python/object/apply:os.system ['touch {CANARY}']",
    "tag2": f"name: !!python/object/new:os.system ['touch {CANARY}']",
    "unknown tag": "name: !mine 3",
    "unknown tag 2": "!!nope {a: 1}",
    "deep lists": "name: " + "[" * 5000 + "]" * 5000,
    "deep unclosed": "[" * 100_000,
    "deep maps": "".join("  " * depth + "a:\n" for depth in range(300)),
    "thirty deep": "name: " + "[" * 30 + "]" * 30,
    "alias bomb": "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{n}: &{n} [*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p}]\n" for p, n in zip("abcdefgh", "bcdefghi")
    ),
    "own alias": "name: &a [*a]",
    "own alias map": "&a name: *a",
    "merge": "a: &a {x: 1}\nb: {<<: *a}",
    "anchor": "name: *nobody",
    "twice": "name: a\nname: b",
    "list": "- 1",
    "text": "hello",
    "number": "17",
    "nothing": "",
    "only comment": "# hello",
    "two documents": "name: a\n---\nname: b",
    "date": "name: 2020-13-45",
    "good date": "name: 2020-01-02",
    "int": "name: !!int hello",
    "float": "name: !!float hello",
    "binary": "name: !!binary '%%%'",
    "set": "name: !!set {a, b}",
    "huge int": "name: " + "9" * 5000,
    "huge hex": "0x" + "f" * 5000 + ": 1",
    "sexagesimal": "name: " + "1:" * 2000 + "1",
    "unhashable": "? [a, b]\n: 1",
    "unhashable map": "? {a: b}\n: 1",
    "null byte": b"name: a\0b",
    "latin": "name: é".encode("latin-1"),
    "utf16": "name: a".encode("utf-16"),
    "bom": b"\xef\xbb\xbfname: a",
    "two boms": b"\xef\xbb\xbf\xef\xbb\xbfname: a",
    "control": "name: \x07",
    "tab": "name:\n\t- a",
    "unclosed quote": "name: 'a",
    "large": "name: " + "a" * 300_000,
    "many keys": "".join(f"k{number}: 1\n" for number in range(15_000)),
    "many values": "name: [" + "1," * 30_000 + "]",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_study(tmp_path: Path, name: str) -> None:
    assert answered(lambda: load(tmp_path, FILES[name]))
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


ODD: tuple[Any, ...] = (
    *(None, True, False, 3, -1, 2.5, float("nan"), float("inf"), 10**30, "", "text", "~", "{", "\u202e"),
    *([], [1], [None], [[1]], [True], [float("inf")], {}, {"a": 1}, {1: {2: 3}}, {None: None}, {"a": [1, {}]}, [{}]),
)
PLACES = (
    *("name", "introduction", "vignettes", "factors", "profile", "items", "coherence", "undefined", "regressions"),
    *("data", "columns", "person", "main_subgroup", "synthetic", "citation"),
)
INNER = {
    "factors": ("tone",),
    "profile": ("age", "age.bins", "age.levels", "age.label", "home.levels", "age.subgroup"),
    "items": (
        *("harm", "harm.role", "harm.text", "harm.options", "harm.only", "harm.ordered", "harm.bins", "harm.top"),
        *("share.bins", "share.top", "sent.options", "sent.only"),
    ),
}
INSIDE = [f"{top}.{rest}" for top, inner in INNER.items() for rest in inner]


def changed(place: str, value: Any) -> dict[str, Any]:
    content: Any = yaml.safe_load(yaml.safe_dump(STUDY))
    at, *rest = place.split(".")
    inside = content
    for key in rest:
        inside = inside[at]
        at = key
    inside[at] = value
    return dict(content)


@pytest.mark.parametrize("place", [*PLACES, *INSIDE])
def test_anything_in_any_place(tmp_path: Path, place: str) -> None:
    PEOPLE.to_csv(tmp_path / "people.csv", index=False)
    for value in ODD:
        answered(lambda value=value: study(tmp_path, **changed(place, value)))
    assert {path.name for path in tmp_path.iterdir()} == {"study.yaml", "people.csv"}


REFUSED = [
    ("factors", True, "factors: expected a mapping"),
    ("factors.tone", True, "factors.tone: expected its levels, found true or false"),
    ("factors.tone", 3, "factors.tone: expected its levels"),
    ("factors", {f"f{n}": list(range(10)) for n in range(20)}, "conditions; expected at most"),
    ("items.harm.options", True, "items.harm.options: expected a list"),
    ("items.harm.options", "abc", "items.harm.options: expected a list"),
    ("items.harm.options", [1, 2, 10**30], "beyond 1e"),
    ("items.harm.options", [1, 1, 2], "1 stands there twice"),
    ("items.harm.options", [1, "1", 2], "'1' stands there twice"),
    ("items.harm.options", {1: "a", 2: "A"}, "two of them are called 'A'"),
    ("items.harm.options", list(range(5000)), "at most 1000"),
    ("items.harm.only", {1: {"tone": [[0]]}}, "items.harm.only: expected"),
    ("items.harm.only", {1: {"tone": 0}}, "items.harm.only: expected"),
    ("items.harm.only", {1: True}, "items.harm.only: expected"),
    ("items.share.bins", ["0", "50"], "items.share.bins: expected whole numbers"),
    ("items.share.bins", [0, None], "items.share.bins: expected whole numbers"),
    ("items.share.bins", [0, float("nan")], "items.share.bins: expected whole numbers"),
    ("items.share.bins", [0, 10**30], "items.share.bins: expected whole numbers"),
    ("items.share.top", float("inf"), "items.share.bins: expected whole numbers"),
    ("items.share.bins", list(range(5000)), "items.share.bins: expected"),
    ("profile.age.bins", ["a"], "profile.age.bins: expected up to"),
    ("profile.age.bins", [None], "profile.age.bins: expected up to"),
    ("profile.age.bins", [float("nan")], "profile.age.bins: expected up to"),
    ("profile.age.bins", [30, float("inf")], "profile.age.bins: expected up to"),
    ("profile.age.bins", [10**400], "a whole number of 401 digits"),
    ("profile.age.bins", [50, 30], "bins must rise"),
    ("profile.home.levels", ["town", "Town", "land"], "two of them are called"),
    ("profile.home.levels", ["town", "town", "land"], "stands there twice"),
    ("data", "~nosuchuser/x.csv", "nosuchuser"),
    ("data", "a\0b.csv", "is no path"),
    ("data", "x" * 500 + ".csv", "too long"),
    ("data", ".", "ends in"),
]


@pytest.mark.parametrize(
    ("place", "value", "expected"), REFUSED, ids=[f"{p}-{n}" for n, (p, _, _) in enumerate(REFUSED)]
)
def test_what_is_said(tmp_path: Path, place: str, value: Any, expected: str) -> None:
    words = answered(lambda: study(tmp_path, **changed(place, value)))
    assert expected.casefold() in words.casefold()


def test_pipes_and_folders(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "study.yaml")
    assert "no plain file" in answered(lambda: load(tmp_path))
    (tmp_path / "study.yaml").unlink()
    os.mkfifo(tmp_path / "people.csv")
    assert "no plain file" in answered(lambda: study(tmp_path))
    (tmp_path / "study.yaml").unlink()
    (tmp_path / "study.yaml").mkdir()
    assert "a folder" in answered(lambda: load(tmp_path))
    assert "~nosuchuser" in answered(lambda: load(Path("~nosuchuser")))
    assert "embedded" in answered(lambda: load(Path("a\0b"))) or "is no path" in answered(lambda: load(Path("a\0b")))


HOSTILE = [
    f"__import__('os').system('touch {CANARY}')",
    f"open('{CANARY}', 'w')",
    f"[open('{CANARY}', 'w') for x in [1]]",
    f"(lambda: open('{CANARY}', 'w'))()",
    f"harm.__class__.__base__.__subclasses__() or open('{CANARY}', 'w')",
    f"exec(\"open('{CANARY}', 'w')\")",
    f"eval(\"open('{CANARY}', 'w')\")",
    f"np.lib.npyio.os.system('touch {CANARY}')",
    f"harm[open('{CANARY}', 'w')]",
    f"f\"{{open('{CANARY}', 'w')}}\"",
    f"log(harm, out=open('{CANARY}', 'w'))",
    *("9**9**9**9", "harm ** 99999999", "harm ** harm ** harm", "2 ** 2 ** 2 ** 2 ** 2 ** 2", "-" * 3000 + "harm"),
    *("(" * 300 + "harm" + ")" * 300, "(" * 60 + "harm" + ")" * 60, "not " * 900 + "harm > 1", "[" * 90 + "]" * 90),
    *(
        "harm" + " + harm" * 600,
        "harm" + "*harm" * 200,
        "harm == 'x' * 999999999",
        "'x' * 999999999",
        "[1] * 999999999",
    ),
    *(
        "harm > " + "9" * 400,
        "harm > " + "9" * 5000,
        "harm > 1e400",
        "harm > 1e16",
        "harm << 99999999",
        "harm @ harm",
    ),
    *(
        "harm / 0 > 1",
        "harm // 0",
        "harm % 0",
        "home * 1000000 == 'x'",
        "home + 1 > 2",
        "home > 3",
        "-home > 1",
        "harm",
    ),
    *(
        "",
        " ",
        "#",
        "harm #",
        "harm; harm",
        "harm\nharm",
        "harm \\",
        "'",
        '"',
        "harm > '\\d'",
        "harm > 5or 3",
        "\0",
        "💩",
    ),
    *("harm is 3", "harm := 3", "yield harm", "await harm", "*harm", "**harm", "harm if harm else harm", "{harm: 1}"),
    *(
        "...",
        "None",
        "True",
        "1j",
        "b'x'",
        "harm in [1, [2]]",
        "harm in 1",
        "harm in [1e400]",
        "nobody > 1",
        "~",
        "~ harm",
    ),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_expressions_and_formulas(tmp_path: Path, number: int) -> None:
    text = HOSTILE[number]
    columns = {"harm": (1, 2, 3), "tone": (0, 1), "age": None, "home": None}
    answered(lambda: Rule.parse(text, columns).holds(PEOPLE))
    for formula in (text, f"harm ~ {text}", f"{text} ~ tone", f"harm ~ I({text})", f"harm ~ C({text}) * tone"):
        answered(lambda formula=formula: formula_designs(formula, PEOPLE, PEOPLE))


FORMULAS = [
    "harm ~ " + " * ".join(["tone", "age", "home", "share", "sent"] * 5),
    "harm ~ (" + " + ".join(f"I(age + {n})" for n in range(30)) + ") ** 30",
    "harm ~ (tone + age) ** 999999999999",
    "harm ~ (tone + age) ** tone",
    "harm ~ " + " * ".join(f"C(age * {n})" for n in range(1, 6)),
    *("harm ~ bs(age, df=10**8)", "harm ~ bs(age, 100000000)", "harm ~ cr(age, df=99999)", "harm ~ bs(home, df=4)"),
    *(
        "harm ~ C()",
        "harm ~ Q()",
        "harm ~ Q(age)",
        "harm ~ C(age, 5)",
        "harm ~ C(home, Treatment('x'))",
        "harm ~ tone ~ age",
    ),
    *("harm ~ log(age, age)", "harm ~ log()", "harm ~ where(age)", "harm ~ Treatment", "harm ~ np", "harm ~ np.log"),
    *(
        "harm + sent ~ age",
        "1 ~ age",
        "~",
        "harm ~",
        "~ harm",
        "harm ~ age +",
        "harm ~ 5",
        "harm ~ age:",
        "harm ~ ``",
    ),
]


@pytest.mark.parametrize("number", range(len(FORMULAS)))
def test_formulas_are_refused(number: int) -> None:
    assert answered(lambda: formula_designs(FORMULAS[number], PEOPLE, PEOPLE))


def test_formulas_that_are_fine() -> None:
    for formula in (
        "harm ~ tone * home + log(age) + np.sqrt(age) + I(age ** 2) - 1",
        "harm ~ C(home, Treatment('town')) + bs(age, df=4) + center(share)",
        "(sent == 1) ~ tone + Q('age') + (tone + share) ** 2",
        "where(home == 'town', 1, 0) ~ age / tone",
        "harm ~ log(-1 * age)",
        "harm ~ I(" + " + ".join(["age"] * 60) + ")",
    ):
        assert answered(lambda formula=formula: formula_designs(formula, PEOPLE, PEOPLE)) == ""


WORDS = st.sampled_from(
    [
        *("harm", "tone", "home", "age", "nobody", "1", "2", "'town'", "9" * 20, "1e9", "(", ")", "[", "]", ",", ":"),
        *(
            "+",
            "-",
            "*",
            "/",
            "**",
            "~",
            "==",
            "!=",
            "<",
            ">",
            "in",
            "not",
            "and",
            "or",
            "C(",
            "I(",
            "log(",
            "where(",
            "=",
        ),
        *(
            "lambda",
            "if",
            "else",
            "for",
            ".",
            "__class__",
            "`",
            "%",
            "&",
            "|",
            "@",
            "\\",
            "\n",
            "'",
            "Q('age')",
            "bs(",
        ),
    ]
)


@given(st.lists(WORDS, max_size=12))
def test_any_words(words: list[str]) -> None:
    text = " ".join(words)
    answered(lambda: Rule.parse(text, {"harm": (1, 2, 3), "tone": (0, 1), "home": None, "age": None}).holds(PEOPLE))
    answered(lambda: formula_designs(f"harm ~ {text}", PEOPLE))


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=6) | st.sampled_from([*PLACES]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*PLACES, "role", "options"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*PLACES]), TREES, max_size=3))
def test_any_tree(tmp_path: Path, changes: dict[str, Any]) -> None:
    answered(lambda: study(tmp_path, **changes))


CELLS = [
    "",
    "NA",
    "9" * 400,
    "-" + "9" * 400,
    "1e999",
    "nan",
    "inf",
    "-inf",
    "TRUE",
    "True",
    "2020-01-01",
    "1:30",
    "1,5",
]
CELLS += [
    "[1, 2]",
    "0x1F",
    "1_0",
    "١",
    "é",
    "\u202e",
    "'",
    "=1+1",
    " 2",
    "2.0",
    "2.00",
    "+2",
    "1e0",
    "None",
    "null",
    "NULL",
]


@pytest.mark.parametrize("column", [*PEOPLE.columns])
def test_any_cell_in_any_column(tmp_path: Path, column: str) -> None:
    for cell in CELLS:
        frame = PEOPLE.astype(str)
        frame.loc[3, column] = cell
        frame.to_csv(tmp_path / "people.csv", index=False)
        words = answered(lambda: study(tmp_path))
        if words and "problem(s)" in words:
            assert re.search(rf"column '{column}'(, row 4)?: expected", words), words


VALUES: dict[str, Any] = {
    "truth": True,
    "date": pd.Timestamp("2001-02-03"),
    "duration": pd.Timedelta(30, "D"),
    "bytes": b"x",
    "whole": 10**18,
    "infinite": float("inf"),
}


@pytest.mark.parametrize("column", ["participant_id", "tone", "age", "harm", "share", "sent"])
@pytest.mark.parametrize("kind", VALUES)
def test_columns_of_another_kind(tmp_path: Path, column: str, kind: str) -> None:
    study(tmp_path)
    frame = PEOPLE.assign(**{column: [VALUES[kind]] * N})
    frame.to_parquet(tmp_path / "people.parquet")
    words = answered(lambda: load(tmp_path, data=str(tmp_path / "people.parquet")))
    assert f"column '{column}', row" in words


def test_lists_and_what_unpacks_to_more(tmp_path: Path) -> None:
    study(tmp_path)
    path = tmp_path / "people.parquet"
    PEOPLE.assign(participant_id=[[number] for number in range(N)]).to_parquet(path)
    assert "column 'participant_id' holds lists" in answered(lambda: load(tmp_path, data=str(path)))
    zeros = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, dtype=np.int32)), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"participant_id": zeros}), path, compression="zstd")
    assert path.stat().st_size < 10_000
    assert "it unpacks to" in answered(lambda: load(tmp_path, data=str(path)))
    pq.write_table(pa.table({"participant_id": pa.array(np.zeros(50_000_001, dtype=np.int8))}), path)
    assert "it unpacks to 50,000,001 cells" in answered(lambda: load(tmp_path, data=str(path)))


HEADER = ",".join(PEOPLE.columns)
ROW = "p0,0,20,town,1,10,1"
TABLES: dict[str, tuple[bytes, str]] = {
    "more cells": (f"{HEADER}\n{ROW}\n{ROW},5\n".encode(), "row 2: expected 7 cells, as in the header, found 8"),
    "fewer cells": (
        f"{HEADER}\n{ROW}\np1,1,20\n{ROW}\n".encode(),
        "row 2: expected 7 cells, as in the header, found 3",
    ),
    "last row cut": (f"{HEADER}\n{ROW}\np1,1".encode(), "row 2: expected 7 cells"),
    "row names": (f"{HEADER}\n1,{ROW}\n2,{ROW}\n".encode(), "row.names"),
    "quote open": (f'{HEADER}\n{ROW}\np1,1,20,"town,1,1,1\n'.encode(), "unexpected end of data"),
    "quote within": (f'{HEADER}\np0,0,20,"to"wn,1,10,1\n'.encode(), "line 2"),
    "zero byte": (f"{HEADER}\np0,0,20,to\0wn,1,10,1\n".encode(), "line 2 holds a zero byte"),
    "latin": (f"{HEADER}\np0,0,20,Köln,1,10,1\n".encode("latin-1"), "line 2 is not utf-8"),
    "only a header": (f"{HEADER}\n".encode(), "at least one row"),
    "blank": (b"\n\n\n", "an empty"),
    "only marks": (b"\xef\xbb\xbf" * 3, "an empty"),
    "twice a column": (f"{HEADER},tone\n{ROW},1\n".encode(), "column 'tone': expected this column once"),
    "ids twice": (f"{HEADER}\n{ROW}\n{ROW}\n".encode(), "row 2: expected ids that occur once"),
    "long cell": (f"{HEADER}\np0,0,20,{'x' * 200_000},1,10,1\n".encode(), "field larger"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_lose_nothing_in_silence(tmp_path: Path, name: str) -> None:
    content, expected = TABLES[name]
    (tmp_path / "people.csv").write_bytes(content)
    assert expected in answered(lambda: study(tmp_path))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf"])
def test_marks_separators_and_blank_lines_are_read(tmp_path: Path, mark: bytes) -> None:
    plain = PEOPLE.to_csv(index=False)
    for separator in ",;\t|":
        (tmp_path / "people.csv").write_bytes(mark + plain.replace(",", separator).replace("\n", "\r\n\r\n").encode())
        assert answered(lambda: study(tmp_path)) == ""
    (tmp_path / "people.csv").write_bytes(plain.encode("utf-16"))
    assert answered(lambda: study(tmp_path)) == ""


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: (HEADER + "\n" + text).encode()))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "people.csv").write_bytes(content)
    answered(lambda: study(tmp_path))
    for ending in ("parquet", "xlsx", "sav", "dta", "rda", "rds"):
        path = tmp_path / f"people.{ending}"
        path.write_bytes(content)
        answered(lambda path=path: load(tmp_path, data=str(path)))


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The people in every kind of binary file."""
    folder = tmp_path_factory.mktemp("binaries")
    PEOPLE.to_parquet(folder / "people.parquet")
    PEOPLE.to_excel(folder / "people.xlsx", index=False)
    PEOPLE.to_stata(folder / "people.dta", write_index=False)
    pyreadstat.write_sav(PEOPLE, folder / "people.sav")
    rdata.write_rda(folder / "people.rda", {"people": PEOPLE.astype({"participant_id": object, "home": object})})
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@given(
    ending=st.sampled_from((".parquet", ".xlsx", ".dta", ".sav", ".rda")),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=4),
    kept=st.sampled_from((1, 1, 0.99, 0.5)),
)
def test_damaged_binary_files(
    tmp_path: Path, binaries: dict[str, bytes], ending: str, flips: list[tuple[float, int]], kept: float
) -> None:
    study(tmp_path)
    content = bytearray(binaries[ending])
    for at, how in flips:
        content[int(at * (len(content) - 1))] ^= how
    path = tmp_path / f"people{ending}"
    path.write_bytes(content[: int(kept * len(content))])
    words = answered(lambda: load(tmp_path, data=str(path)))
    assert not words or kept < 1 or flips


def test_parquet_whose_text_is_no_utf8(tmp_path: Path) -> None:
    study(tmp_path)
    table = pa.Table.from_pandas(PEOPLE, preserve_index=False)
    names = pa.array([each.encode() + b"\xb0" for each in PEOPLE["participant_id"]]).view(pa.string())
    pq.write_table(table.set_column(0, "participant_id", names), tmp_path / "people.parquet")
    assert "is not a readable .parquet file" in answered(
        lambda: load(tmp_path, data=str(tmp_path / "people.parquet"))
    )


@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml"]
)
@pytest.mark.parametrize("text", [b"", b"<", b"<a/>", b"\xff", b"<!DOCTYPE a [<!ENTITY b 'b'>]><a>&b;</a>"])
def test_workbooks_whose_parts_are_broken(tmp_path: Path, binaries: dict[str, bytes], part: str, text: bytes) -> None:
    study(tmp_path)
    path = tmp_path / "people.xlsx"
    with ZipFile(BytesIO(binaries[".xlsx"])) as sound, ZipFile(path, "w") as broken:
        for name in sound.namelist():
            broken.writestr(name, text if name == part else sound.read(name))
    words = answered(lambda: load(tmp_path, data=str(path)))
    assert words or part == "xl/styles.xml"


@pytest.mark.parametrize(
    "words",
    [
        ("experiment=yaml", "experiment.file=~nosuchuser/x.yaml"),
        ("experiment=yaml", "experiment.file=nowhere.yaml"),
        ("experiment=yaml", "experiment.file=study.yaml", "experiment.data=~nosuchuser/x.csv"),
        ("experiment=yaml", "experiment.file=study.yaml", "experiment.data=/dev/zero"),
        ("experiment=information_disclosure", "experiment.data=~nosuchuser/x.csv"),
    ],
)
def test_the_command_line_says_one_line(
    tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    study(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    assert main(["estimate", *words, "backend=uniform", "sampler=none"]) == 2
    told = capfd.readouterr().err
    assert told.startswith("simbench: ")
    assert len(told.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
