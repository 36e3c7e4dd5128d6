"""What tests of the launchers share."""

import pytest

from tests.launch.clouds import Cloud


@pytest.fixture
def cloud(tmp_path):
  return Cloud(tmp_path)
