"""Progress of a stage: one redrawn line on a terminal, plain lines elsewhere.

A log gets a new line when the time since the last line exceeds a tenth of the
time spent, but at least one second and at most five minutes: lines are frequent
at first and rare in a run of days.
"""

from collections.abc import Callable, Mapping
import shutil
import sys
import time
from typing import TextIO

from ttc.runtime.safe_text import printable

_REDRAW_S = 0.1
_FIRST_LINE_S = 1.0
_LONGEST_WAIT_S = 300.0

Grades = Mapping[str, tuple[float, int]]  # (right, of so many) by their name


class Progress:
  """Counts finished items; shows rate, time left and accuracy so far.

  Args:
    label: what is being done, e.g. 'seed-0/search'.
    total: number of items in all; None if it is not known.
    unit: what an item is, in the plural.
    done: number of items finished by an earlier run; they do not count for the
      rate.
    process: (index, count) of this process; shown when there are several.
    whole: what to add to the time left, given its seconds.
    stream: where to write, standard error by default; a terminal gets the
      redrawn line.
    clock: returns seconds, monotonic.
  """

  def __init__(
    self,
    label: str,
    total: int | None = None,
    unit: str = 'items',
    *,
    done: int = 0,
    process: tuple[int, int] = (0, 1),
    whole: Callable[[float], str] = lambda seconds: '',
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
  ):
    self._stream = sys.stderr if stream is None else stream
    self._tty = self._stream.isatty()
    self._clock = clock
    index, count = process
    self._label = f'[{index}/{count}] {label}' if count > 1 else label
    self._total, self._unit, self._whole = total, unit, whole
    self._earlier, self._done = done, done
    self._grades: dict[str, tuple[float, int]] = {}
    self._extra: object = ''
    self._start = self._shown = clock()
    self._shown_done: int | None = None
    self._open = False  # whether a redrawn line still lacks its line break

  @property
  def done(self) -> int:
    """Number of items finished, those of earlier runs included."""
    return self._done

  def advance(
    self,
    items: int = 1,
    *,
    grades: Grades | None = None,
    extra: object = '',
  ) -> None:
    """Counts finished items, and shows progress if it is time to.

    Args:
      items: number of items finished since the last call.
      grades: of their answers, see `judge`.
      extra: shown at the end of the line from now on, e.g. 'loss 1.23'; ''
        keeps the last one. It is formatted only when the line is shown.
    """
    self._done += items
    self.judge(grades or {})
    self._extra = extra or self._extra
    now = self._clock()
    if now - self._shown >= self._wait(now):
      self._show(now)

  def judge(self, grades: Grades) -> None:
    """Adds to shares of the same names; with another name all begin anew."""
    if grades:
      before = self._grades if self._grades.keys() == grades.keys() else {}
      self._grades = {
        name: tuple(map(sum, zip(pair, before.get(name, (0, 0)), strict=True)))
        for name, pair in grades.items()
      }

  def note(self, text: str) -> None:
    """Prints a line of its own; the redrawn line continues below it."""
    self._end_line()
    shown = printable(f'{self._label}: {text}')
    print(shown, file=self._stream, flush=True)

  def close(self) -> None:
    """Shows the final state and ends the line."""
    if self._shown_done != self._done:
      self._show(self._clock())
    self._end_line()

  def _wait(self, now: float) -> float:
    """Seconds from one line to the next."""
    if self._tty:
      return _REDRAW_S
    return min(max(_FIRST_LINE_S, (now - self._start) / 10), _LONGEST_WAIT_S)

  def _show(self, now: float) -> None:
    self._shown, self._shown_done = now, self._done
    text = self._text(now)
    if not self._tty:
      print(text, file=self._stream, flush=True)
      return
    # One column less than there are: a full line may wrap, and the carriage
    # return then goes back only to the start of its second half.
    width = shutil.get_terminal_size().columns - 1
    self._stream.write(f'\r{text[:width]}\x1b[K')
    self._stream.flush()
    self._open = True

  def _text(self, now: float) -> str:
    seconds = now - self._start
    fresh = self._done - self._earlier
    rate = fresh / seconds if seconds > 0 else 0.0
    if self._total is None:
      parts = [f'{self._label}: {self._done} {self._unit}']
    else:
      percent = 100 * self._done // max(self._total, 1)
      parts = [
        f'{self._label}: {percent:3d}% {self._done}/{self._total} {self._unit}'
      ]
    if rate:
      parts.append(f'{rate:.3g} {self._unit}/s')
      left = ((self._total or 0) - self._done) / rate
      told = f'{duration(left)} left{self._whole(left)}'
      parts.append(told if left > 0 else duration(seconds))
    for name, (right, count) in self._grades.items():
      if count:
        parts.append(f'{name} {right / count:.3f}')
    return ', '.join([*parts, *([str(self._extra)] if self._extra else [])])

  def _end_line(self) -> None:
    if self._open:
      self._stream.write('\n')
      self._stream.flush()
      self._open = False


def duration(seconds: float) -> str:
  """Formats seconds for people: '0.4 s', '12 s', '3 m 05 s', '2 h 07 m'."""
  if seconds < 10:
    return f'{seconds:.1f} s'
  if round(seconds) < 60:
    return f'{seconds:.0f} s'
  minutes, rest = divmod(round(seconds), 60)
  if minutes < 60:
    return f'{minutes} m {rest:02d} s'
  return f'{minutes // 60} h {minutes % 60:02d} m'
