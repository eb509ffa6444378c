"""The audit's answer as it is kept, and pins on all parts of a lot: without a database."""

from __future__ import annotations

import json
from uuid import UUID

from creditbank.awards.domain import StackUse
from creditbank.credits import Credits
from creditbank.programmes.auditing import on_stakes, read_allocation, read_pins, write_allocation
from creditbank.programmes.stakes import Seat, stakes_of
from creditbank.rules.allocate.allocation import allocate
from tests.awards.made import TODAY, TOWN, achievement, application, lot
from tests.programmes.test_domain import A, B, programmes
from tests.programmes.test_stakes import candidate


def test_an_allocation_is_read_as_it_was_written() -> None:
    (programme,) = programmes(
        {"id": "p", "total": 9, "requirements": [A, B], "caps": [{"id": "most", "unit": "U", "credits_at_most": 5}]}
    ).values()
    found = allocate(programme, [candidate("x", 4), candidate("y", 4)])

    assert read_allocation("p", json.loads(json.dumps(write_allocation(found)))) == found
    assert found.idle
    assert str(Credits(found.recognised)) == "5"


def test_a_pinned_lot_is_pinned_in_all_its_parts() -> None:
    known = programmes(
        {"id": "exit", "total": 2, "reuse": {"stack_into": ["p"]}}, {"id": "p", "total": 9, "requirements": [A, B]}
    )
    one = achievement()
    mine = lot(one, available=3, redeemed=2)
    made = application("exit", "whole", {mine.id: 2}, stacked=(StackUse(UUID(int=9), UUID(int=8), 1),))
    stakes, _ = stakes_of(Seat(TOWN, "CR", known["p"], known), [mine], {one.id: one}, {}, [made], TODAY)

    pins = on_stakes(read_pins({"lots": {str(mine.id): "b", str(UUID(int=7)): "a"}}), stakes)

    assert len(stakes) == 2
    assert pins.lots == {stake.candidate.id: "b" for stake in stakes}
