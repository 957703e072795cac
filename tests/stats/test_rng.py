import os
import subprocess
import sys

import numpy as np
import pytest

from simbench.stats import generator


def test_a_stream_is_the_same_everywhere() -> None:
    # These numbers are a promise: a run repeated next year must draw the same pilot.
    assert generator(0, "pilot", 3).integers(0, 2**31, 3).tolist() == [369146601, 39073316, 1842420196]


def test_another_process_with_another_hash_seed_draws_the_same() -> None:
    code = "from simbench.stats import generator; print(generator(7, 'a', 1).random(2).tolist())"
    drawn = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert drawn == {f"{generator(7, 'a', 1).random(2).tolist()}\n"}


def test_every_name_is_a_stream_of_its_own() -> None:
    names: list[tuple[str | int, ...]] = [
        (),
        (1,),
        ("1",),
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        ("é",),
        (0, 1),
        (1, 0),
    ]
    drawn = [tuple(generator(0, *name).integers(0, 2**62, 4)) for name in names]
    drawn += [tuple(generator(1).integers(0, 2**62, 4)), tuple(generator(-1).integers(0, 2**62, 4))]
    assert len(set(drawn)) == len(drawn)


def test_streams_are_uncorrelated() -> None:
    table = np.stack([generator(5, "metric", key).standard_normal(4000) for key in range(12)])
    off = np.asarray(np.corrcoef(table))[np.triu_indices(12, 1)]
    assert np.abs(off).max() < 0.08


@pytest.mark.parametrize("key", [1.5, None, True, b"x"])
def test_a_key_must_be_a_string_or_an_integer(key: object) -> None:
    with pytest.raises(TypeError, match="named by strings and integers"):
        generator(0, key)  # type: ignore[arg-type]
