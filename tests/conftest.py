"""Strict flags for every test: set before jax is imported anywhere."""

import atexit
import gc
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

from tests import xla
from tests.bucket import serving

os.environ['XLA_FLAGS'] = ' '.join(
  [os.environ.get('XLA_FLAGS', ''), xla.flags(devices=4)]
)
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('JAX_NUMPY_RANK_PROMOTION', 'raise')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
# gcsfs reads it when it is imported, and would ask a service that is not here.
os.environ.setdefault('GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT', 'false')
# Many tests and their processes compile the same programs: each is compiled
# once per session. Workers of pytest have the folder of the first process.
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
  _programs = tempfile.mkdtemp(prefix='ttc-programs-')
  os.environ['JAX_COMPILATION_CACHE_DIR'] = _programs
  atexit.register(shutil.rmtree, _programs, ignore_errors=True)
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0')
# Lines of our code in programs that nobody reads.
os.environ.setdefault('JAX_TRACEBACK_IN_LOCATIONS_LIMIT', '0')


_RESIDENT = 3e9  # bytes of a worker


def _resident() -> float:
  """Bytes of memory that this process has now; unknown is much."""
  try:
    pages = int(pathlib.Path('/proc/self/statm').read_text().split()[1])
  except OSError:
    return float('inf')
  return pages * os.sysconf('SC_PAGE_SIZE')


@pytest.fixture(scope='session')
def bucket():
  """An object store of this machine's own, where gs:// leads from now on."""
  pytest.importorskip('gcsfs', reason='gs:// needs gcsfs')
  with serving() as (held, environment):
    os.environ.update(environment)
    yield held


@pytest.fixture(scope='module', autouse=True)
def _released():
  """Frees the programs of tests from time to time: they would be gigabytes.

  Not after each module: the next one traces many of them again.
  """
  yield
  if 'jax' in sys.modules and _resident() > _RESIDENT:
    sys.modules['jax'].clear_caches()


def pytest_collection_finish():
  """Takes all that was imported out of the sight of the garbage collector.

  It stays, and looking at it again and again took a tenth of the time.
  """
  gc.collect()
  gc.freeze()
  gc.set_threshold(20_000, 20, 20)


def pytest_collection_modifyitems(items):
  """Puts whole experiments first, so that no worker ends with one alone."""
  here = pathlib.Path(__file__).parent
  items.sort(key=lambda item: item.path.parent != here)
