"""One part, in this process: `python -m benchmarks.accelerator.child PART OUT`.

PART is JSON: a function by its full name, and the settings that it is called
with, one after the other. Each result is a line of the file OUT as soon as it
is there, so that what is stopped keeps what it has.
"""

from collections.abc import Mapping
import dataclasses
import json
import os
import pathlib
import pkgutil
import sys
import threading
import traceback

from benchmarks.accelerator.record import Measured, UnavailableError

_LONGEST = 200  # characters of an error in the table


def run(part: Mapping, out: pathlib.Path) -> None:
  """Calls the function of a part with each setting.

  A setting that fails does not keep the others from running: a batch too large
  for the memory says nothing about a smaller one.

  Args:
    part: {'function': 'module:name', 'settings': [keyword arguments]}; the
      function returns a `Measured`.
    out: gets a line of JSON for each.
  """
  function = pkgutil.resolve_name(part['function'])
  for setting in part['settings']:
    try:
      measured = function(**setting)
    except UnavailableError as error:
      measured = Measured(_words(setting), error=f'not run: {error}')
    except Exception as error:
      traceback.print_exc()
      measured = Measured(_words(setting), error=_last(error))
    with out.open('a', encoding='utf-8') as lines:
      lines.write(json.dumps(dataclasses.asdict(measured)) + '\n')


def _words(setting: Mapping) -> str:
  return ', '.join(f'{name}={value}' for name, value in setting.items())


def _last(error: Exception) -> str:
  """The error in a line; XLA explains itself at length after the first."""
  first = (str(error).strip().splitlines() or [''])[0]
  return f'{type(error).__name__}: {first}'[:_LONGEST]


def _end_with_input() -> None:
  """Ends this process when the one that started it is gone."""
  sys.stdin.read()
  os._exit(1)


if __name__ == '__main__':
  threading.Thread(target=_end_with_input, daemon=True).start()
  run(json.loads(sys.argv[1]), pathlib.Path(sys.argv[2]))
