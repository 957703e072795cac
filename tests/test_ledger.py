"""The ledger of a run: what was sent is known after a kill at any moment."""

from __future__ import annotations

import pytest

from simbench.ledger import Ledger


def test_what_never_ended_counts_as_spent_until_it_is_known(tmp_path) -> None:
    ledger = Ledger(tmp_path / "spend.jsonl", before=0.5)
    one, two = ledger.asked("a", 0.25), ledger.asked("b", 0.25)
    ledger.ended(one, 0.125)
    assert (ledger.spent, ledger.doubtful) == (0.875, 0.25)
    ledger.close()
    again = Ledger(tmp_path / "spend.jsonl", before=9.0, by_request=True)  # the file knows
    assert (again.spent, again.doubtful, again.total) == (0.875, 0.25, 0.875)
    assert (again.has_paid_for("a"), again.paid_for("a"), again.has_paid_for("b")) == (True, 0.125, False)
    assert again.unended("b") == two
    again.ended(two, 0.0)
    assert again.asked("c", 1.0) == 3
    again.close()
    assert Ledger(tmp_path / "spend.jsonl").spent == 1.625


@pytest.mark.parametrize("cut", range(1, 31, 7))
def test_a_line_that_a_kill_has_torn_is_cut_off_before_the_next(tmp_path, cut) -> None:
    path = tmp_path / "spend.jsonl"
    ledger = Ledger(path)
    ledger.ended(ledger.asked("a", 0.25), 0.125)
    ledger.asked("b", 0.5)
    ledger.close()
    path.write_bytes(path.read_bytes()[:-cut])
    after = Ledger(path)
    assert after.spent == 0.125
    after.asked("c", 0.25)
    after.close()
    assert (Ledger(path).spent, Ledger(path).total) == (0.375, 0.375)


def test_unknown_prices_and_damage_make_the_total_unknown(tmp_path) -> None:
    ledger = Ledger(tmp_path / "a.jsonl")
    ledger.ended(ledger.asked("a", None), None)
    ledger.close()
    assert (Ledger(tmp_path / "a.jsonl").spent, Ledger(tmp_path / "a.jsonl").total) == (0.0, None)
    (tmp_path / "b.jsonl").write_bytes(b'{"n":1,"asked":"a","most":0.5}\n\x00\x00\n')
    damaged = Ledger(tmp_path / "b.jsonl")
    assert (damaged.spent, damaged.total) == (0.5, None)
