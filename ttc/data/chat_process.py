"""The process that renders a chat template (`chat_render`), and its end."""

from collections.abc import Mapping, Sequence
import contextlib
import json
import os
import subprocess
import threading
from typing import Any
import weakref

from ttc.grading import line_process

_LIMITS = {'seconds': 1, 'megabytes': 512, 'characters': 1_000_000}
_PATIENCE_S = 120  # for a reply, on a machine that is busy with other work


class ChatProcess:
  """Renders messages by one chat template. Any thread may call.

  Args:
    template: text of the template.
    variables: what it may use beside the messages.
    date: of today, for it; YYYY-MM-DD.
  """

  def __init__(self, template: str, variables: Mapping[str, Any], date: str):
    self._about = {
      'template': template,
      'variables': dict(variables),
      'date': date,
    }
    self._lock, self._process, self._owner = threading.Lock(), None, 0

  def __reduce__(self):
    return ChatProcess, tuple(self._about.values())

  def render(self, messages: Sequence[Mapping[str, str]]) -> str:
    """Returns the text of messages, up to where the answer begins.

    Raises:
      ValueError: the template fails, or reaches a limit.
    """
    with self._lock:
      if self._process is None or self._owner != os.getpid():
        self._start()
      return self._ask(list(messages))['text']

  def _start(self) -> None:
    self._owner = os.getpid()
    self._process = line_process.start('ttc.data.chat_render', _LIMITS)
    weakref.finalize(self, _end, self._process, self._owner)
    self._ask(self._about)

  def _ask(self, asked: Any) -> dict:
    """The reply; ends the process unless it can be asked again."""
    line, reply = b'', {}
    try:
      with contextlib.suppress(BrokenPipeError):
        self._process.stdin.write(f'{json.dumps(asked)}\n'.encode('ascii'))
        self._process.stdin.flush()
      line = line_process.read_line(self._process.stdout.fileno(), _PATIENCE_S)
      reply = json.loads(line) if line else {}
    finally:  # or a late reply would answer the next question
      if not line or (asked is self._about and 'error' in reply):
        _end(self._process, self._owner)
        self._process = None
    if not line:
      seconds = _LIMITS['seconds']
      raise ValueError(f'it takes more than {seconds} s of processor time')
    if 'error' in reply:
      raise ValueError(reply['error'])
    return reply


def _end(process: subprocess.Popen, owner: int) -> None:
  if owner == os.getpid():  # else it is the parent's
    process.kill()
    process.wait()
    process.stdout.close()
    with contextlib.suppress(OSError):  # from flushing what was not read
      process.stdin.close()
