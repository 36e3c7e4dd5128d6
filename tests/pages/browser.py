"""A headless browser that tests drive by its DevTools protocol, over a pipe.

    with browser.opened(path) as page:
      page.run('document.title')

Tests that need one are skipped where there is none; Debian has the package
chromium-headless-shell.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time

import pytest

_NAMES = ('chromium-headless-shell', 'chromium', 'google-chrome')
_FOUND = next(filter(None, map(shutil.which, _NAMES)), None)
_PATIENCE = 60  # seconds

needed = pytest.mark.skipif(
  _FOUND is None, reason=f'no browser: none of {", ".join(_NAMES)} is there'
)


class Page:
  """The one page of a browser.

  Attributes:
    said: messages of its console, and errors.
  """

  def __init__(self, read: int, write: int):
    self.said: list[str] = []
    self._read, self._write = read, write
    self._id, self._rest = 0, b''
    self._session = None
    (target,) = [
      t
      for t in self._call('Target.getTargets')['targetInfos']
      if t['type'] == 'page'
    ]
    attached = self._call(
      'Target.attachToTarget', targetId=target['targetId'], flatten=True
    )
    self._session = attached['sessionId']
    for domain in ('Page', 'Runtime', 'Log'):
      self._call(f'{domain}.enable')

  def open(self, address: str) -> None:
    """Goes to an address, and waits until it is there."""
    self._call('Page.navigate', url=address)
    self.wait('document.readyState == "complete"')

  def run(self, script: str):
    """The value of an expression."""
    done = self._call(
      'Runtime.evaluate',
      expression=script,
      returnByValue=True,
      awaitPromise=True,
    )
    assert 'exceptionDetails' not in done, done
    return done['result'].get('value')

  def wait(self, script: str):
    """Waits until an expression is true."""
    until = time.monotonic() + _PATIENCE
    while not self.run(f'Boolean({script})'):
      assert time.monotonic() < until, script
      time.sleep(0.02)

  def press(self, key: str) -> None:
    """Presses a key, such as 'a' or 'Enter'."""
    text = {'text': key} if len(key) == 1 else {}
    if key.startswith('Arrow'):
      code = {'ArrowLeft': 37, 'ArrowRight': 39}[key]
      text = {'windowsVirtualKeyCode': code}
    if key == 'Enter':
      text = {'text': '\r', 'windowsVirtualKeyCode': 13}
    for kind in ('keyDown', 'keyUp'):
      self._call('Input.dispatchKeyEvent', type=kind, key=key, **text)

  def size(self, width: int, height: int = 900) -> None:
    """Sets the size of the window in CSS pixels."""
    self._call(
      'Emulation.setDeviceMetricsOverride',
      width=width,
      height=height,
      deviceScaleFactor=1,
      mobile=False,
    )

  def dark(self, on: bool) -> None:
    """Whether the reader prefers dark colours."""
    features = [
      {'name': 'prefers-color-scheme', 'value': 'dark' if on else 'light'}
    ]
    self._call('Emulation.setEmulatedMedia', features=features)

  def call(self, method: str, **arguments):
    """Any other method of the protocol."""
    return self._call(method, **arguments)

  def _call(self, method: str, **arguments):
    self._id += 1
    message = {'id': self._id, 'method': method, 'params': arguments}
    if self._session:
      message['sessionId'] = self._session
    os.write(self._write, json.dumps(message).encode() + b'\0')
    while (answer := self._next()).get('id') != self._id:
      self._note(answer)
    assert 'error' not in answer, (method, answer['error'])
    return answer['result']

  def _next(self):
    while b'\0' not in self._rest:
      got = os.read(self._read, 1 << 20)
      assert got, 'the browser has ended'
      self._rest += got
    line, _, self._rest = self._rest.partition(b'\0')
    return json.loads(line)

  def _note(self, event) -> None:
    told = event.get('params', {})
    if event.get('method') == 'Runtime.exceptionThrown':
      self.said.append(json.dumps(told['exceptionDetails']))
    elif event.get('method') == 'Runtime.consoleAPICalled':
      self.said.append(json.dumps(told['args']))
    elif event.get('method') == 'Log.entryAdded':
      self.said.append(json.dumps(told['entry']))


@contextlib.contextmanager
def opened(path):
  """A browser with a file open, as a double click opens it."""
  to_read, to_write = os.pipe()
  answers, answer = os.pipe()
  with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    command = [
      _FOUND,
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      f'--user-data-dir={profile}',
      '--remote-debugging-pipe',
      'about:blank',
    ]
    # The browser looks for the pipe at the descriptors 3 and 4.
    placed = f'exec "$@" 3<&{to_read} 4>&{answer}'
    with subprocess.Popen(
      ['bash', '-c', placed, 'bash', *command],
      stderr=subprocess.DEVNULL,
      pass_fds=(to_read, answer),
    ) as process:
      os.close(to_read)
      os.close(answer)
      try:
        page = Page(answers, to_write)
        page.open(path.as_uri())
        yield page
      finally:
        process.terminate()
        os.close(to_write)
        os.close(answers)
