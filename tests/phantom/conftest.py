"""Subjects shared by the phantom tests: made once, in memory."""

import pytest
from scripts.phantom.writer import PhantomSubject, make_subject


@pytest.fixture(scope="session")
def subjects() -> list[PhantomSubject]:
    return [make_subject(index, seed=11, phases=8) for index in range(1, 9)]
