"""An experiment whose folder is in an object store, killed and run again."""

import pathlib
import subprocess
import sys
import time

from ttc.pipeline import records
from ttc.runtime import storage

_REPOSITORY = pathlib.Path(__file__).parents[2]


def _command(output, seconds):
  return subprocess.Popen(
    [
      sys.executable,
      '-m',
      'ttc.cli.main',
      'run',
      '--gin_file=tests/cli/little.gin',
      f'--gin.OUTPUT={str(output)!r}',
      f'--gin.SECONDS={seconds}',
      '--gin.little_stages.Toss.seconds=%SECONDS',
    ],
    cwd=_REPOSITORY,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def test_it_goes_on_after_the_parts_that_are_there(bucket, tmp_path):
  seconds = 0.03
  command = _command('gs://runs', seconds)
  part = 'runs/little/seed-0/toss/part-00001'
  while not bucket.names(part):
    assert command.poll() is None
    time.sleep(0.01)
  command.kill()
  command.wait()
  before = {
    name: bucket.objects[name]
    for name in bucket.names('runs/little/seed-0')
    if '/part-' in name
  }
  assert 'runs/little/seed-0/toss/COMPLETE' not in bucket.objects
  outs = {}
  for output in ('gs://runs', tmp_path):
    command = _command(output, seconds)
    out, errors = command.communicate()
    assert command.returncode == 0, errors
    outs[output] = out
  assert outs['gs://runs'] == outs[tmp_path]
  for name, object_ in before.items():
    assert bucket.objects[name] == object_  # its generation is the same
  there = storage.path('gs://runs/little/seed-0/toss')
  here = tmp_path / 'little' / 'seed-0' / 'toss'
  assert records.read_rows(there) == records.read_rows(here)
  for path in records.part_paths(there):
    assert path.read_bytes() == (here / path.name).read_bytes()
