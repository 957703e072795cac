"""What an inference found: a table for the terminal, files for a paper, a forest plot, a paragraph of methods."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from simbench.files import write_text
from simbench.harness.estimands import ADDS
from simbench.report.drawing import HUMAN, INK, SIMULATED, Chart, clean, save
from simbench.report.formats import as_csv, as_latex, as_markdown, as_table, number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from rich.console import RenderableType

    from simbench.harness.inferring import Inferred

__all__ = ["forest", "gained", "inference_table", "methods", "short", "write_inference"]

NOT_VALID = "simulated (not valid)"
MOST_ROWS = 60
SOURCES = (
    "Angelopoulos, A. N., Bates, S., Fannjiang, C., Jordan, M. I. and Zrnic, T. (2023). Prediction-powered "
    "inference. Science 382, 669-674.",
    "Angelopoulos, A. N., Duchi, J. C. and Zrnic, T. (2023). PPI++: Efficient prediction-powered inference. "
    "arXiv 2311.01453.",
    "Zrnic, T. and Candes, E. J. (2024). Cross-prediction-powered inference. PNAS 121(15), e2322083121.",
    "Robins, J. M., Rotnitzky, A. and Zhao, L. P. (1994). Estimation of regression coefficients when some regressors "
    "are not always observed. JASA 89, 846-866.",
)
SPLITS = (
    "Chernozhukov, V., Chetverikov, D., Demirer, M., Duflo, E., Hansen, C., Newey, W. and Robins, J. (2018). "
    "Double/debiased machine learning for treatment and structural parameters. Econometrics Journal 21, C1-C68."
)


def write_inference(done: Inferred) -> None:
    """``estimates.csv``, ``.md``, ``.tex``, ``methods.md`` and ``forest.svg``, ``.png``, ``.pdf`` into the folder."""
    frame, title = done.estimates, "people and simulation together"
    tables = {
        "csv": as_csv(frame),
        "md": as_markdown(short(frame), title),
        "tex": as_latex(short(frame), title),
    }
    for kind, text in tables.items():
        _write(done, f"estimates.{kind}", text)
    _write(done, "methods.md", methods(done.manifest, frame))
    if (chart := forest(frame)) is not None:
        save(chart, done.folder.path)


def inference_table(frame: pd.DataFrame) -> RenderableType:
    """Whole-sample estimands, for the terminal."""
    whole = frame[frame["subgroup"].isna()]
    return as_table(short(whole).drop(columns=["of whom", "n"]), "people and simulation together, whole sample")


def short(frame: pd.DataFrame) -> pd.DataFrame:
    """One narrow row per estimand."""
    import pandas as pd

    rows = []
    for each in frame.to_dict("records"):
        whom = f"{each['subgroup']}: {each['level']}" if isinstance(each["subgroup"], str) else "all"
        rows.append(
            {
                "estimand": " ".join(filter(None, (each["kind"], each["item"], each["term"]))),
                "of whom": whom,
                "n": each["n_human"],
                "humans alone": _interval(each, "human", "human_low", "human_high"),
                "rectified": _interval(each, "estimate", "low", "high"),
                "p": each["p"],
                NOT_VALID: each["simulated"],
                "width": each["width_ratio"],
                "more humans": _more(each),
            }
        )
    return pd.DataFrame(rows)


def gained(frame: pd.DataFrame) -> str:
    """In a sentence or two, what the simulation added."""
    known = frame[frame["width_ratio"].notna() & frame["subgroup"].isna()]
    helped = known[known["width_ratio"] < ADDS]
    if known.empty:
        return "Nothing could be estimated; the notes say why."
    if helped.empty:
        return (
            f"The simulation adds nothing to any of the {len(known)} whole-sample estimates: they are those of "
            "humans alone."
        )
    best = helped.sort_values("width_ratio").iloc[0]
    what = " ".join(filter(None, (best["kind"], best["item"], best["term"])))
    return (
        f"The simulation narrows {len(helped)} of {len(known)} whole-sample intervals; most for {what}: "
        f"{100 * (1 - best['width_ratio']):.1f} % narrower, as with {best['more_humans']:.0f} more humans. "
        "Where it adds nothing, the estimate is that of humans alone."
    )


def methods(manifest: Mapping[str, Any], frame: pd.DataFrame) -> str:
    """A paragraph to paste into a paper, with sources."""
    config, humans, arms = manifest["config"], manifest["humans"], manifest["arms"]
    folds, level = manifest["folds"], 100 * manifest["level"]
    backend = config["backend"]["name"]
    model = f"the simulation backend '{backend}' of simbench"
    others = manifest["unlabelled"]
    parts = [
        f"Estimates combine the answers of {humans['n']} participants ({humans['source']}) and a simulation of them.",
        f"Participants were divided into {folds} folds; {model} was adapted to the participants of all other folds "
        "and predicted those of the fold left out: nobody was predicted by a model that had learned from them.",
        "Predictions are expected values under the model's option probabilities where it gives any, else its answers"
        f" ({config['replicates']} per participant and arm).",
    ]
    if arms:
        parts.append(
            "Each participant was predicted under every treatment arm, and the predictions entered as augmented "
            "inverse-probability weighting with the arms' known shares (Robins et al. 1994), which presumes that "
            "arms were assigned by chance."
        )
    if others:
        parts.append(
            f"Further, {others} people without answers were predicted by all {folds} models, averaged "
            "(cross-prediction, Zrnic and Candes 2024), which presumes that they and the participants are draws "
            "from one population."
        )
    parts.append(
        "The weight of the predictions was chosen per estimand to minimise the variance (power tuning, Angelopoulos "
        "et al. 2023), at the cost of a degree of freedom each, and set to 0 where they did not help, in which case "
        f"estimate and interval are those of the participants alone. Intervals ({level:g} %) use HC3 standard "
        f"errors, clustered where participants have several rows. {gained(frame)}"
    )
    if (repeats := manifest.get("repeats", 1)) > 1:
        parts.append(
            f"All of this was done for {repeats} random divisions into folds; estimates are medians over them, and "
            "their variances the medians of variance plus squared distance from the median estimate, so that the "
            "chance of the division is in the intervals (Chernozhukov et al. 2018)."
        )
    if humans["synthetic"]:
        parts.insert(0, "**The people of this study are synthetic: no figure says anything about real people.**")
    cited = "\n".join(f"- {source}" for source in (*SOURCES, *([SPLITS] if repeats > 1 else [])))
    last = "Simulation alone is reported for comparison; it is not a valid estimate."
    return f"# Methods\n\n{' '.join(parts)} {last}\n\n## Sources\n\n{cited}\n"


def forest(frame: pd.DataFrame) -> Chart | None:
    """Intervals of humans alone and rectified, a panel per item and regression; None where there are none."""
    shown = frame[frame["subgroup"].isna() & frame["estimate"].notna()].head(MOST_ROWS)
    if shown.empty:
        return None
    rows = shown.to_dict("records")
    panels = [(key, list(part)) for key, part in groupby(rows, key=lambda row: (row["kind"], row["item"]))]
    height = 0.35 * len(rows) + 0.55 * len(panels)

    def draw(figure: Figure) -> None:
        sizes = [len(part) + 0.8 for _, part in panels]
        axes = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": sizes})[:, 0]
        for panel, ((kind, item), part) in zip(axes, panels, strict=True):
            for at, row in enumerate(part):
                for shift, colour, low, middle, high in (
                    (0.14, HUMAN, "human_low", "human", "human_high"),
                    (-0.14, INK, "low", "estimate", "high"),
                ):
                    y = len(part) - 1 - at + shift
                    panel.plot([row[low], row[high]], [y, y], color=colour, linewidth=1.4)
                    panel.plot([row[middle]], [y], "o", color=colour, markersize=4)
                panel.plot([row["simulated"]], [len(part) - 1 - at], "x", color=SIMULATED, markersize=5)
            panel.set_yticks(range(len(part)), [row["term"] or row["kind"] for row in part][::-1])
            panel.set_ylim(-0.6, len(part) - 0.4)
            panel.set_title(f"{kind}: {item}")
            if kind in ("effect", "coefficient"):
                panel.axvline(0, color=INK, linewidth=0.6)
            clean(panel, "x")

    return Chart(
        "forest",
        "People and simulation together",
        f"Forest plot of {len(rows)} estimates: humans alone (blue), rectified (black), simulation alone (cross).",
        short(shown),
        draw,
        (7.0, height),
        "Blue: humans alone. Black: people and simulation together. Cross: simulation alone, not a valid estimate.",
    )


def _interval(row: Mapping[Any, Any], middle: str, low: str, high: str) -> str:
    if row[middle] != row[middle]:
        return "-"
    return f"{number(row[middle])} [{number(row[low])}, {number(row[high])}]"


def _more(row: Mapping[Any, Any]) -> str:
    if row["width_ratio"] != row["width_ratio"]:
        return str(row["note"] or "-")
    return "adds nothing" if row["width_ratio"] >= ADDS else f"{row['more_humans']:.0f}"


def _write(done: Inferred, name: str, text: str) -> None:
    write_text(done.folder / name, text)
