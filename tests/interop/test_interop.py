"""Stores of eleven programs, each in an environment of its own, are built on and opened again."""

import re

import pytest

from interop.programs import LAYOUTS
from interop.trials import attempt


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.program} {layout.kind}")
def test_a_store_of_another_program(tmp_path, layout):
    outcome = attempt(layout, tmp_path)
    if layout.refusal:
        assert outcome.faults
        assert all(re.search(layout.refusal, fault) for fault in outcome.faults)
        return
    assert outcome.faults == []
    own = {layout.program} if layout.route == "beside" else set()
    assert set(outcome.readers) == {*own, *layout.readers}
