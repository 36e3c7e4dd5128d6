"""A cloud of the tests' own: cloud.sh in place of its commands, on PATH."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

_LAUNCH = pathlib.Path(__file__).parents[2] / 'launch'
_STAND_IN = pathlib.Path(__file__).with_name('cloud.sh')
_COMMANDS = ('docker', 'gcloud', 'ssh', 'scp', 'sky', 'xpk')
_INSTALL = """
mkdir -p .venv/bin
printf '%s\\n' '#!/bin/sh' 'echo "$@" >>"$CLOUD/runs"' 'echo it runs' \
  'for _ in $(seq 1000); do [ ! -e "$CLOUD/busy" ] || sleep 0.02; done' \
  'exit "$(cat "$CLOUD/code")"' >.venv/bin/ttc
chmod +x .venv/bin/ttc
"""


class Cloud:
  """The stand-in, and a small repository to launch from."""

  def __init__(self, folder):
    self.folder, self.repository = folder / 'cloud', folder / 'repository'
    for name in ('bin', 'slices', 'nodes', 'vms', 'workers'):
      (self.folder / name).mkdir(parents=True)
    for name in _COMMANDS:
      (self.folder / 'bin' / name).symlink_to(_STAND_IN)
    shutil.copytree(_LAUNCH, self.repository / 'launch')
    (self.repository / 'setup.py').write_text('')
    (self.folder / 'install.sh').write_text(_INSTALL)
    self.script(preempt=0, code=0)
    (self.folder / 'jobs').write_text('')

  def script(self, **files):
    for name, text in files.items():
      (self.folder / name).write_text(f'{text}\n')

  def track(self):
    """Makes the repository a checkout of git that holds what is in it."""
    for command in (('init', '--quiet'), ('add', '--all')):
      subprocess.run(['git', *command], cwd=self.repository, check=True)

  def launch(self, *arguments, at=0, number=signal.SIGKILL):
    """Runs a launcher; a signal reaches it after its call `at`."""
    (self.folder / 'calls').write_text('')
    process = subprocess.Popen(
      [
        'bash',
        '-c',
        'echo $$ >"$CLOUD/launcher"; exec bash "$@"',
        'launch',
        *arguments,
      ],
      cwd=self.repository,
      env={
        **os.environ,
        'PATH': f'{self.folder / "bin"}:{os.environ["PATH"]}',
        'CLOUD': str(self.folder),
        'CLOUD_AT': str(at),
        'CLOUD_SIGNAL': signal.Signals(number).name.removeprefix('SIG'),
        'TTC_PAUSE_S': '0.02',
      },
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
      start_new_session=True,
    )
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors

  def calls(self, pattern=''):
    lines = (self.folder / 'calls').read_text().splitlines()
    return [line for line in lines if re.search(pattern, line)]

  def runs(self):
    path = self.folder / 'runs'
    return path.read_text().splitlines() if path.exists() else []

  def slices(self):
    return [path.name for path in (self.folder / 'slices').iterdir()]
