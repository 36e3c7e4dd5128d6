"""Tests of progress on a terminal (a pseudo one) and in a log."""

import io
import os
import pty

import pytest

from ttc.runtime.progress import duration, Progress


class _Clock:
  """Seconds that pass when told to."""

  def __init__(self):
    self.now = 100.0

  def __call__(self):
    return self.now


def _in_log(seconds, total, **options):
  clock, stream = _Clock(), io.StringIO()
  progress = Progress(
    'seed-0/search', total, 'questions', stream=stream, clock=clock, **options
  )
  for _ in range(total - options.get('done', 0)):
    clock.now += seconds
    progress.advance(1, grades={'accuracy': (1, 4)})
  progress.close()
  return stream.getvalue().splitlines()


def test_a_log_gets_whole_lines_that_grow_rarer():
  lines = _in_log(0.5, 10_000)
  assert all(line.startswith('seed-0/search:') for line in lines)
  assert 20 < len(lines) < 100
  assert '10000/10000 questions' in lines[-1]
  assert 'accuracy 0.250' in lines[-1]
  assert '2 questions/s' in lines[-1]


def test_shares_of_one_name_add_up_and_another_begins_anew():
  stream = io.StringIO()
  progress = Progress('search', 4, stream=stream, clock=_Clock())
  progress.advance(2, grades={'accuracy of beam': (1, 2), 'attempts': (1, 8)})
  progress.advance(2, grades={'accuracy of beam': (2, 2), 'attempts': (4, 8)})
  progress.close()
  shown = 'accuracy of beam 0.750, attempts 0.312'
  assert stream.getvalue().endswith(f'{shown}\n')
  progress.judge({'accuracy of DVTS': (1, 4), 'attempts': (0, 16)})
  progress.judge({})
  progress.advance(1)
  progress.close()
  assert 'beam' not in stream.getvalue().splitlines()[-1]
  shown = 'accuracy of DVTS 0.250, attempts 0.000'
  assert stream.getvalue().endswith(f'{shown}\n')


def test_the_time_left_is_what_is_left_over_the_rate():
  (first, *_) = _in_log(2.0, 100)
  assert '1/100' in first
  assert '0.5 questions/s, 3 m 18 s left' in first


def test_items_of_an_earlier_run_do_not_count_for_the_rate():
  lines = _in_log(2.0, 100, done=90)
  assert '91/100' in lines[0]
  assert '0.5 questions/s, 18 s left' in lines[0]


def test_several_processes_say_which_one_speaks():
  assert _in_log(1.0, 2, process=(1, 4))[0].startswith('[1/4] seed-0/search')


def _all(terminal):
  """What was written to the other end, which is closed; closes this one."""
  parts = []
  with open(terminal, 'rb', buffering=0) as stream:
    while True:
      try:
        parts.append(stream.read(65536))
      except OSError:  # how Linux says that nobody is there any more
        return b''.join(parts)
      if not parts[-1]:
        return b''.join(parts)


def test_a_terminal_gets_one_redrawn_line():
  ours, theirs = pty.openpty()
  clock = _Clock()
  with os.fdopen(theirs, 'w') as terminal:
    progress = Progress('label', 5, 'rows', stream=terminal, clock=clock)
    for index in range(5):
      clock.now += 1
      progress.advance(1, extra=f'loss {index}')
      if index == 2:
        progress.note('a torn part')
    progress.close()
  text = _all(ours).decode()
  assert text.count('\r\n') == 3
  before, note, after = text.split('\r\n')[:3]
  assert note == 'label: a torn part'
  assert before.count('\r') == 3
  assert after.count('\r') == 2
  assert all(len(line) < 90 for line in text.split('\r'))
  assert '5/5 rows' in after
  assert 'loss 4' in after


def test_nothing_is_lost_without_a_total():
  stream = io.StringIO()
  progress = Progress('label', None, 'steps', stream=stream)
  progress.advance(3, extra='loss 0.5')
  progress.close()
  assert 'label: 3 steps' in stream.getvalue()
  assert stream.getvalue().endswith('loss 0.5\n')


@pytest.mark.parametrize(
  ('seconds', 'text'),
  [
    (0.04, '0.0 s'),
    (9.94, '9.9 s'),
    (59.4, '59 s'),
    (59.6, '1 m 00 s'),
    (185, '3 m 05 s'),
    (3599.7, '1 h 00 m'),
    (7620, '2 h 07 m'),
  ],
)
def test_durations_are_readable(seconds, text):
  assert duration(seconds) == text
