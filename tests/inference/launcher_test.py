"""Programs run in order, on the mesh, and none after one that failed."""

import pathlib
import subprocess
import sys
import threading

import jax
import pytest

from tests import testing
from ttc.inference.launcher import Launcher

# The scheduler lives until the interpreter ends.
_SAMPLES = """
import numpy as np
from tests import testing
from ttc.search.strategies import BestOfN

models = testing.scripted_models(np.zeros((testing.WORDS, testing.WORDS)))
scheduler = testing.scheduler(models)
plans = [
  (question, BestOfN().plan(question, 4), 4)
  for question in testing.questions(models, [5])
]
[solution] = testing.run(scheduler, models, plans)
print(len(solution.attempts))
"""


def test_programs_run_in_order_and_beside_the_host():
  launcher, gate, order = Launcher(testing.mesh()), threading.Event(), []
  first = launcher.launch(gate.wait)
  others = [launcher.launch(lambda i=i: order.append(i)) for i in range(5)]
  assert not first.done()
  assert not order
  gate.set()
  for other in others:
    other.result()
  assert order == list(range(5))


def test_programs_see_the_mesh():
  mesh = testing.mesh()
  seen = Launcher(mesh).launch(jax.sharding.get_abstract_mesh).result()
  assert seen == mesh.abstract_mesh


def test_none_runs_after_one_that_failed():
  launcher, ran = Launcher(testing.mesh()), []
  failed = launcher.launch(lambda: 1 / 0)
  after = launcher.launch(lambda: ran.append(1))
  for future in (failed, after):
    with pytest.raises(ZeroDivisionError):
      future.result()
  assert not ran


def test_a_process_that_sampled_ends_in_silence():
  done = subprocess.run(
    [sys.executable, '-c', _SAMPLES],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout == '4\n'
  assert not done.stderr
