"""Numbers of a stage while it works: files, resumptions, events, traces."""

import json
import struct

import jax
import jax.numpy as jnp
import pytest

from tests import disks
from tests.testing import small_config
from ttc.inference.utilization import Utilization
from ttc.runtime import metrics, storage
from ttc.runtime.metrics import MetricsFile, StageMetrics
from ttc.runtime.profiling import Profile
from ttc.runtime.throughput import SamplingPace, TrainingPace


def _write(folder, steps, say=None):
  written = MetricsFile(folder, say or pytest.fail)
  for step in steps:
    written.add(step, {'loss': 1 / step})
  written.close()


def _steps(folder):
  return [line['step'] for line in metrics.read(folder)]


def test_lines_are_there_before_it_is_closed(tmp_path):
  written = MetricsFile(tmp_path, pytest.fail)
  assert metrics.read(tmp_path) == []
  written.add(2, {'loss': 0.5, 'mfu': 0.25})
  assert metrics.read(tmp_path) == [{'step': 2, 'loss': 0.5, 'mfu': 0.25}]
  written.close()


def test_steps_that_are_done_again_are_there_once(tmp_path):
  _write(tmp_path, [2, 4, 6, 8])
  _write(tmp_path, [6, 8, 10])
  assert _steps(tmp_path) == [2, 4, 6, 8, 10]


def test_every_cut_of_the_file_is_mended(tmp_path):
  _write(tmp_path, [2, 4, 6])
  path = tmp_path / metrics.FILE
  whole = path.read_bytes()
  for length in range(0, len(whole), 5):
    path.write_bytes(whole[:length])
    _write(tmp_path, [6, 8])
    kept = whole[:length].count(b'\n')
    assert _steps(tmp_path) == [*[2, 4][:kept], 6, 8]
    assert path.read_bytes().endswith(b'\n')


def test_in_an_object_store_they_are_whole_at_the_end(bucket):
  folder = storage.path('gs://metrics/stage')
  _write(folder, [2, 4, 6])
  _write(folder, [4, 6])
  assert _steps(folder) == [2, 4, 6]
  text = bucket.objects['metrics/stage/metrics.jsonl'][1].decode()
  assert [json.loads(line)['step'] for line in text.splitlines()] == [2, 4, 6]
  assert bucket.names('metrics/stage/tensorboard/events')


def test_where_they_cannot_be_written_the_work_goes_on(tmp_path):
  told = []
  with disks.small(tmp_path / 'disk', megabytes=1) as disk:
    (disk / 'other').write_bytes(bytes((1 << 20) - 8192))
    _write(disk, range(1, 2000), told.append)
    assert len(told) == 1
    assert 'no more metrics: ' in told[0]
    assert _steps(disk) == list(range(1, len(_steps(disk)) + 1))


def _events(folder):
  """(step, tag, value) of the events below a folder, oldest file first."""
  from tensorboardX.proto.event_pb2 import Event

  for path in sorted(folder.iterdir()):
    data = path.read_bytes()
    while data:
      (size,) = struct.unpack('<Q', data[:8])
      event = Event.FromString(data[12 : 12 + size])
      data = data[16 + size :]
      for value in event.summary.value:
        yield event.step, value.tag, round(value.simple_value, 6)


def test_tensorboard_gets_the_same(tmp_path):
  pytest.importorskip('tensorboardX')
  _write(tmp_path, [2, 4])
  assert list(_events(tmp_path / 'tensorboard')) == [
    (2, 'loss', 0.5),
    (4, 'loss', 0.25),
  ]


def test_only_process_0_writes(tmp_path):
  for leads in (False, True):
    measured = StageMetrics(tmp_path, leads, None, pytest.fail)
    measured.add(1, {'loss': 1.0})
    measured.close()
    assert (tmp_path / metrics.FILE).exists() == leads


def test_the_pace_of_training():
  cfg = small_config()
  now = iter([10.0, 14.0, 100.0, 101.0])
  pace = TrainingPace(cfg, 'logits', 3, 5, clock=lambda: next(now))
  assert 'step_seconds' not in pace.at(20)
  told = pace.at(40)
  assert told['step_seconds'] == pytest.approx(0.2)
  assert told['tokens_per_second'] == pytest.approx(15 / 0.2)
  assert 'mfu' not in told  # the peak of this machine is not in the table
  pace.restart(40)
  assert pace.at(60)['step_seconds'] == pytest.approx(0.05)
  # What XLA counts of one forward pass is a third, but for the halved square.
  model = (6 * cfg.num_params + 12 * 2 * 4 * 8 * 2.5) * 15
  assert told['flops_per_second'] == pytest.approx(model / 0.2)


def test_the_pace_of_sampling():
  now = iter([0.0, 2.0, 4.0, 5.0])
  pace = SamplingPace(clock=lambda: next(now))
  load = Utilization(slots=8)
  for rows in (4, 8):
    load.useful, load.executed, load.rows = load.useful + 50, 150, rows
    load.lanes += 10
    load.lane_capacity += 40
    load.busy_s += 0.75
    pace.see(load)
  told = pace.take()
  assert told['forwards_per_second'] == 50
  assert told['executed_per_useful'] == 1.5
  assert told['lanes_used'] == 0.25
  assert told['lane_tokens_per_second'] == 10
  assert told['slots_used'] == 0.75
  assert told['devices_busy'] == 0.75
  assert 'devices' not in str(load)  # no run has taken time yet
  load.seconds = 3.0
  assert str(load).startswith('devices 50% busy, 8 rows in flight')
  assert pace.take() == {'seconds': 2.0}
  load.useful += 7
  load.executed += 7
  pace.see(load)
  assert pace.take()['forwards_per_second'] == 7


def test_a_trace_names_the_stage_and_its_programs(tmp_path):
  @jax.jit
  def extend(x):
    with jax.named_scope('attention'):
      return jnp.sin(x) @ x

  told = []
  profile = Profile(tmp_path / 'search', 2, told.append)
  for _ in range(5):
    extend(jnp.ones((8, 8))).block_until_ready()
    profile.tick()
  profile.close()
  assert told == [f'a trace is in {tmp_path / "search" / "profile"}']
  (trace,) = (tmp_path / 'search').rglob('*.xplane.pb')
  data = trace.read_bytes()
  assert b'search' in data
  assert b'jit_extend' in data
  untouched = Profile(tmp_path / 'other', 2, told.append)
  untouched.tick()
  untouched.close()
  assert not (tmp_path / 'other').exists()
