"""One grader for all tests: its workers start once."""

import pytest

from ttc.grading.grader import Grader


@pytest.fixture(scope='package')
def grader():
  with Grader(workers=2) as grader:
    yield grader
