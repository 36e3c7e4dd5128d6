"""Two real processes that share the parts of one stage."""

import pathlib
import socket
import subprocess
import sys

from ttc import records

# The work fails in the third batch; then process 1 loses a part of the second
# that process 0 still has, so both must do the second and third.
_PROGRAM = """
import dataclasses, pathlib, sys
import jax
jax.config.update('jax_cpu_collectives_implementation', 'gloo')
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
from ttc import records
from ttc.cli.stage import Place, StageRun

done = []

@dataclasses.dataclass(frozen=True)
class Count:
  kind = 'sample'
  name: str = 'count'

  def __call__(self, run):
    for part in run.parts(range(11), 4):
      done.append(part.index)
      if done == [0, 1, 2]:
        raise RuntimeError('once')
      part.write([{'problem': item} for item in part.items])

process = (jax.process_index(), jax.process_count())
place = Place(pathlib.Path(sys.argv[3]), process=process)
run = StageRun(Count(), place, 0)
try:
  run.work()
except RuntimeError:
  run.wait_for_others('failed')
if process[0] == 1:
  (run.folder / records.part_name(3, 6)).unlink()
StageRun(Count(), place, 0).work()
print(done, StageRun(Count(), place, 0).is_complete())
"""


def test_processes_agree_on_what_is_left_and_keep_the_order(tmp_path):
  with socket.socket() as probe:
    probe.bind(('127.0.0.1', 0))
    address = f'127.0.0.1:{probe.getsockname()[1]}'
  processes = [
    subprocess.Popen(
      [sys.executable, '-c', _PROGRAM, address, str(index), str(tmp_path)],
      cwd=pathlib.Path(__file__).parents[2],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for index in range(2)
  ]
  for index, process in enumerate(processes):
    output, errors = process.communicate(timeout=120)
    assert '[0, 1, 2, 1, 2] True' in output, errors
    assert f'[{index}/2] seed-0/count: 100%' in errors
  folder = tmp_path / 'seed-0' / 'count'
  assert records.part_count(folder) == 6
  rows = records.read_rows(folder)
  assert [row['problem'] for row in rows] == list(range(11))
