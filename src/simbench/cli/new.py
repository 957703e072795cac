"""``simbench new study TABLE`` and ``simbench new plugin NAME``: the first draft of something of one's own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simbench.errors import ConfigError, UserError
from simbench.files import as_path
from simbench.plugin.hookspecs import KINDS

if TYPE_CHECKING:
    from simbench.drafting.roles import Guess

__all__ = ["main"]

ROLES = {  # option: role, meaning
    "id": ("id", "the column of ids that occur once"),
    "person": ("person", "the column of the person behind a row, where one has several"),
    "cluster": ("cluster", "the column of what people were sampled or treated in together"),
    "weight": ("weight", "the column of survey weights"),
    "arms": ("arm", "columns of the treatment"),
    "profile": ("profile", "columns of what people are"),
    "beliefs": ("belief", "columns of what people believe or expect"),
    "attitudes": ("attitude", "columns of what people think or feel"),
    "decisions": ("decision", "columns of what people do"),
    "leave-out": ("out", "columns to be left out"),
}


def main(words: Sequence[str]) -> int:
    """Begin something of your own: a study from a table, or a plugin."""
    parser = argparse.ArgumentParser(prog="simbench new", description=main.__doc__)
    kinds = parser.add_subparsers(dest="what", required=True, metavar="study | plugin")
    study = kinds.add_parser("study", help="a commented study.yaml from a table", description=_study.__doc__)
    study.add_argument("table", help="CSV, TSV, Parquet, Excel, SPSS or Stata file; exports of Qualtrics and oTree")
    study.add_argument("-o", "--out", default="", help="the file to write (default: study.yaml beside the table)")
    study.add_argument("--name", default="", help="the study's name (default: the table's)")
    study.add_argument("--yes", action="store_true", help="take the guesses as they are, and ask nothing")
    study.add_argument("--force", action="store_true", help="write over a file that is there")
    for option, (_, meaning) in ROLES.items():
        study.add_argument(f"--{option}", default="", metavar="COLUMN[,COLUMN]", help=meaning)
    plugin = kinds.add_parser("plugin", help="a plugin that works as it is written", description=_plugin.__doc__)
    plugin.add_argument("name", help="how the part is chosen, such as my_game")
    plugin.add_argument("--kind", choices=KINDS, required=True, help="what it is")
    plugin.add_argument(
        "--package", default="", metavar="DISTRIBUTION", help="a distribution of its own, such as simbench-lab"
    )
    asked = parser.parse_args(words)
    return _study(asked) if asked.what == "study" else _plugin(asked)


def _study(asked: argparse.Namespace) -> int:
    """Look at a table and write a commented study.yaml that runs as it is, with a list of what was guessed and why.

    On a terminal the guesses are shown first and can be put right; elsewhere the options do that.
    """
    from simbench.drafting.draft import guess_study, write_study
    from simbench.drafting.raw import read_raw

    path = as_path(asked.table)
    file = as_path(asked.out) if asked.out else path.with_name("study.yaml")
    if file.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"--out: expected a file that ends in .yaml; found {str(file)!r}")
    if file.exists() and not asked.force:
        raise ConfigError(f"{file} is there already: name another with -o, or write over it with --force")
    told = _told({role: getattr(asked, option.replace("-", "_")) for option, (role, _) in ROLES.items()})
    raw = read_raw(path)
    draft = guess_study(path, told, raw)
    _show(draft.guesses, draft.notes)
    if sys.stdin.isatty() and sys.stdout.isatty() and not asked.yes:
        while answers := _asked():
            try:
                draft = guess_study(path, {**told, **answers}, raw)
            except UserError as error:
                print(error)
                continue
            told |= answers
            _show(draft.guesses, ())
    written = write_study(draft, file, asked.name)
    print(f"\nwritten: {', '.join(map(str, written))}")
    print("Texts in [to write: ...] are yours to write. Then:")
    print(f"  simbench check {file}")
    print(f"  simbench experiment=yaml experiment.file={file} backend=tabular sampler=random")
    return 0


def _told(options: dict[str, str]) -> dict[str, str]:
    """``{column: role}`` from ``{role: "column,column"}``. ConfigError for a column with two roles."""
    told: dict[str, str] = {}
    for role, names in options.items():
        for name in (each.strip() for each in names.split(",") if each.strip()):
            if name in told:
                raise ConfigError(f"column {name!r} is both {told[name]} and {role}")
            told[name] = role
    return told


def _show(guesses: Sequence[Guess], notes: Sequence[str]) -> None:
    """The guesses in a table: column, role, what it holds, why."""
    for note in notes:
        print(f"note: {note}")
    rows = [("column", "taken for", "holds", "because")]
    rows += [(each.column.source or "(no name)", each.role, each.column.holds, each.why) for each in guesses]
    widths = [min(max(len(row[at]) for row in rows), 34) for at in range(3)]
    for row in rows:
        print("  ".join([*(cell[:width].ljust(width) for cell, width in zip(row, widths)), row[3]]).rstrip())


def _asked() -> dict[str, str]:
    """What the person at the terminal says instead: ``{column: role}``; empty where all is well."""
    from simbench.drafting.roles import ROLES as KNOWN

    print(f"\nRight? Enter writes it. Else say COLUMN=ROLE, with commas between several (roles: {', '.join(KNOWN)}).")
    while True:
        try:
            given = input("> ").strip()
        except EOFError:
            return {}
        pairs = [each.partition("=")[::2] for each in given.split(",") if each.strip()]
        wrong = [name for name, role in pairs if role.strip() not in KNOWN]
        if not wrong:
            return {name.strip(): role.strip() for name, role in pairs}
        print(f"expected COLUMN=ROLE with a role of {', '.join(KNOWN)}; found {wrong[0]!r}")


def _plugin(asked: argparse.Namespace) -> int:
    """Write a plugin that works as it is: a line in simbench_plugins.py, or a distribution of its own.

    It is typed, tested and documented in the manner of the project, and passes `simbench check KIND NAME`.
    """
    from simbench.cli.templates import write_plugin

    written = write_plugin(asked.kind, asked.name, asked.package, Path.cwd())
    print(f"written: {', '.join(str(path.relative_to(Path.cwd())) for path in written)}")
    if asked.package:
        print(f"pip install -e {asked.package}")
    print(f"simbench check {asked.kind} {asked.name}")
    return 0
