"""Walks through everything that can happen, with all invariants of rules/v1 section 18 held at each step."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conversions.books import Books, WaivingBooks


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Books, WaivingBooks])
def test_the_invariants_hold_on_every_walk(machine: type[Books], sqlite_template: Path) -> None:
    machine.template = sqlite_template
    few = settings(max_examples=8, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))

    run_state_machine_as_test(machine, settings=few)
