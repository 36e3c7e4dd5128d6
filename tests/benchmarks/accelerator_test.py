"""One accelerator in one table: a budget, parts that fail, and a profile."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import pytest

from benchmarks import environment
from benchmarks.accelerator import report, runner, trace
from benchmarks.accelerator.__main__ import main
from benchmarks.accelerator.parts import parts, TINY, WHOLE
from benchmarks.accelerator.runner import Part

_RUN = {
  'command': 'python -m benchmarks.accelerator',
  'date': '2026-01-02',
  'tiny': False,
  'machine': {'jax': '1', 'python': '3', 'revision': 'abc'},
}


def _part(name, function, *settings, **also):
  at = f'tests.benchmarks.accelerator_parts:{function}'
  return Part(name, at, settings, **also)


def _ended(outcomes):
  return {o.part: o for o in outcomes if o.state != 'running'}


def _gone(pid: int) -> bool:
  """Whether a process has ended; a zombie has."""
  try:
    status = pathlib.Path(f'/proc/{pid}/stat').read_text()
  except FileNotFoundError:
    return True
  return status.rsplit(')', 1)[1].split()[0] == 'Z'


def _soon(true, seconds=60):
  end = time.monotonic() + seconds
  while not true():
    assert time.monotonic() < end
    time.sleep(0.05)


def test_parts_that_fail_hang_or_do_not_fit_leave_the_others(tmp_path):
  ids = tmp_path / 'ids'
  asked = (
    _part(
      'meets',
      'meets',
      *({'what': w} for w in ('a', 'a bad value', 'no device', 'b')),
    ),
    _part('dies', 'meets', {'what': 'a'}, {'what': 'an end'}, {'what': 'b'}),
    _part(
      'hangs', 'hangs', {'what': 'a'}, {'what': 'b', 'child': str(ids)}, limit=3
    ),
    _part('lacks', 'finds', {'what': 'a'}, needs=('json', 'no_such_module')),
    _part('long', 'finds', {'what': 'a'}, least=1000),
    _part('late', 'finds', {'what': 'a'}),
  )
  found = _ended(runner.run(asked, tmp_path, 900, {}))
  assert list(found) == [part.name for part in asked]
  assert {name: outcome.state for name, outcome in found.items()} == {
    'meets': 'done',
    'dies': 'failed: the last words',
    'hangs': 'stopped after 3 s',
    'lacks': 'not run: no no_such_module',
    'long': found['long'].state,
    'late': 'done',
  }
  assert found['long'].state.endswith('s were left, and it takes 1000')
  assert [m.speed or m.error for m in found['meets'].measured] == [
    'a found',
    'ValueError: 7 is too much',
    'not run: there is no device',
    'b found',
  ]
  for name in ('dies', 'hangs'):  # what they had before
    assert [m.setting for m in found[name].measured] == ['a']
  for pid in map(int, ids.read_text().split()):
    _soon(lambda pid=pid: _gone(pid))


def test_a_part_ends_when_nobody_waits_for_it(tmp_path):
  """As when the command is killed: a device would stay taken."""
  ids = tmp_path / 'ids'
  asked = {
    'function': 'tests.benchmarks.accelerator_parts:hangs',
    'settings': [{'what': 'a', 'child': str(ids)}],
  }
  words = ['-m', 'benchmarks.accelerator.child', json.dumps(asked), 'none']
  child = subprocess.Popen(
    [sys.executable, *words], cwd=environment.ROOT, stdin=subprocess.PIPE
  )
  _soon(lambda: ids.exists() and len(ids.read_text().split()) == 2)
  child.stdin.close()
  assert child.wait(60) == 1
  os.kill(int(ids.read_text().split()[1]), signal.SIGKILL)


def test_the_table_has_parts_of_the_limit_and_ratios_to_ours(tmp_path):
  measured = lambda what, **also: {'setting': what, 'speed': 'fast', **also}
  work = lambda seconds: {'work': 'beam 0.5B', 's_question': seconds}
  lines = {
    'limits': [
      measured('product', numbers={'limit': {'product': 4e12}, 'device': 'X'}),
      measured('read', numbers={'limit': {'read': 1e12}}),
    ],
    'search-0.5B': [measured('beam', numbers=work(2.0))],
    'strong-0.5B': [measured('beam', numbers=work(3.0))],
    'extend-7B': [measured('lanes', read=6e11), measured('a | b\nc', busy=0.9)],
    'train-0.5B': [measured('rows', product=1e12)],
  }
  outcomes = [
    runner.Outcome(name, measured=[runner.Measured(**m) for m in found])
    for name, found in lines.items()
  ] + [runner.Outcome('same', 'not run: no time')]
  made = report.write(tmp_path, _RUN, outcomes)
  assert made == (tmp_path / 'table.md').read_text().strip()
  assert 'X, JAX 1, Python 3, revision abc, 2026-01-02.' in made
  rows = [
    [cell.strip() for cell in line.strip('|').split('|')]
    for line in made.splitlines()
    if line.startswith('|')
  ]
  assert {len(row) for row in rows} == {6}
  by = {(row[0], row[1]): row for row in rows}
  assert by['extend-7B', 'lanes'][3] == '60% of read'
  assert by['extend-7B', 'a / b c'][3] == 'busy 90%'
  assert by['train-0.5B', 'rows'][3] == '25% of product'
  assert by['strong-0.5B', 'beam'][4] == '1.50x ours'
  assert by['same', ''][2] == 'not run: no time'
  kept = json.loads((tmp_path / 'results.json').read_text())
  assert [part['part'] for part in kept['parts']] == [*lines, 'same']
  assert kept['machine'] == _RUN['machine']
  again = report.read(tmp_path, _RUN)
  assert list(again.values()) == outcomes[:-1]  # what was not run says nothing
  other = {**_RUN, 'machine': {**_RUN['machine'], 'revision': 'abd'}}
  assert report.read(tmp_path, other) == {}
  assert report.read(tmp_path, {**_RUN, 'tiny': True}) == {}
  assert report.read(tmp_path / 'nothing', _RUN) == {}


def test_a_killed_command_leaves_the_table_of_what_there_was(tmp_path):
  command = subprocess.Popen(
    [
      *(sys.executable, '-m', 'benchmarks.accelerator', '--tiny'),
      *('--parts', 'extend-7B', 'same', f'--output={tmp_path}'),
      f'--cache={os.environ["JAX_COMPILATION_CACHE_DIR"]}',
    ],
    cwd=environment.ROOT,
    stdout=subprocess.PIPE,
    text=True,
  )
  said = []
  with contextlib.closing(command.stdout):
    for line in command.stdout:
      said.append(line)
      if line.startswith('extend-7B: '):
        command.send_signal(signal.SIGTERM)
  assert command.wait(60)
  assert said[-1].startswith('extend-7B: done'), said
  made = (tmp_path / 'table.md').read_text()
  assert '| limits | product of 256 x 256, bf16 |' in made
  assert '| extend-7B | 4 lanes, 64 cells, at 16 |' in made
  assert '% of read' in made
  json.loads((tmp_path / 'results.json').read_text())


def test_parts_are_named_by_their_beginnings(capsys):
  main(['--list'])
  names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
  assert names == [part.name for part in parts(WHOLE)]
  assert names == [part.name for part in parts(TINY)]
  assert len(set(names)) == len(names)
  with pytest.raises(SystemExit, match=r"'nothing'; choose from limits, "):
    main(['--parts', 'nothing'])


def test_a_device_is_as_busy_as_its_profile_says(tmp_path):
  """Programs that overlap are counted once, and other planes not at all."""
  event = lambda name, start, length: (
    f'events {{ metadata_id: {name} offset_ps: {start}000 '
    f'duration_ps: {length}000 }}'
  )
  names = {1: 'jit_extend(17)', 2: 'jit_copy', 3: 'kernel'}
  metadata = ' '.join(
    f'event_metadata {{ key: {i} value {{ id: {i} name: "{name}" }} }}'
    for i, name in names.items()
  )
  plane = lambda name, *lines: (
    f'planes {{ name: "{name}" {metadata} ' + (' '.join(lines) + ' }')
  )
  line = lambda name, *events: f'lines {{ name: "{name}" {" ".join(events)} }}'
  programs = event(1, 0, 100), event(1, 150, 100), event(2, 200, 100)
  text = plane(
    '/device:GPU:0',
    line('XLA Modules', *programs),
    line('Stream #1(Compute)', event(3, 0, 40), event(3, 200, 20)),
  ) + plane('/device:GPU:1', line('XLA Modules', event(1, 0, 900)))
  data = jax.profiler.ProfileData.text_proto_to_serialized_xspace(text)
  (tmp_path / 'a').mkdir()
  (tmp_path / 'a' / 'host.xplane.pb').write_bytes(data)
  busy = trace.read(tmp_path, 1e-6)
  assert busy.launches == {'extend': 2, 'copy': 1}
  assert busy.shares() == pytest.approx({'extend': 0.2, 'copy': 0.1})
  assert busy.running == pytest.approx(250e-9)
  assert busy.kernels == pytest.approx(60e-9)
  assert trace.read(tmp_path / 'nothing', 1.0) is None
