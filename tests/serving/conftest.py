"""One finished run for all tests of endpoints."""

import pytest

from tests.serving import served


@pytest.fixture(scope='session')
def run(tmp_path_factory):
  """A finished run: what it offers, and how to find its stages."""
  return served.made(tmp_path_factory.mktemp('served') / 'run')
