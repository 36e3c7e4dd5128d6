"""A checkout, a wheel that is made of it, and where that is installed."""

import shutil

import pytest

from tests.distribution import building


@pytest.fixture(scope='session')
def checkout(tmp_path_factory):
  """A checkout of what is here, with one commit."""
  return building.checkout(tmp_path_factory.mktemp('checkout') / 'ttc')


@pytest.fixture(scope='session')
def installed(checkout, tmp_path_factory):
  """The folder that a wheel is installed in, without what it requires."""
  building.require_tools()
  wheels = tmp_path_factory.mktemp('wheels')
  building.pip(
    'wheel', '--no-build-isolation', f'--wheel-dir={wheels}', checkout
  )
  (wheel,) = wheels.iterdir()
  folder = tmp_path_factory.mktemp('installed')
  building.pip('install', f'--target={folder}', wheel)
  return folder


@pytest.fixture(scope='session')
def finished(installed, tmp_path_factory):
  """A folder with nothing but a finished run of tiny.gin in it."""
  folder = tmp_path_factory.mktemp('place')
  shutil.copy(building.TINY, folder)
  mine = "include 'tiny.gin'\nExperiment.name = 'mine'\n"
  (folder / 'mine.gin').write_text(mine)
  building.run(installed, folder, 'run', '--gin_file=mine.gin')
  return folder
