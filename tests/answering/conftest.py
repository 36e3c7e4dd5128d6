"""One finished run for all tests of answers."""

import pytest

from tests.answering import small_run


@pytest.fixture(scope='session')
def run(tmp_path_factory):
  """A finished run: its experiment, and its root."""
  root = tmp_path_factory.mktemp('small') / 'run'
  return small_run.finished(root), root
