"""An experiment killed at random moments, again and again, and compared.

    python -m tests.chaos.chaos --output=/tmp/chaos --runs=40

makes the experiment of chaos.gin once in peace, then once for each seed:
killed one to three times, by SIGTERM or SIGKILL, at moments drawn over all
stages, and resumed each time on one or two processes. What comes out must be
equal byte for byte: parts, metrics, parameters, policies, the report. With
--pause=90 a process is stopped by SIGSTOP for 90 seconds instead.

Bits depend on shapes, and these stay the same: training on two devices in all,
in one process or two (a sum of two numbers has no order), everything else on
two devices a process.
"""

import argparse
from collections.abc import Iterator
import dataclasses
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

from tests import joined, xla

_REPOSITORY = pathlib.Path(__file__).parents[2]
_RESULTS = (
  'part-*.jsonl',
  'metrics.json',
  'policy.json',
  'allocation.json',
  '*.txt',
)
_PATIENCE_S = 300.0  # for a command
_PEER_S = 60.0  # for what is left of a command when it was struck


class ChaosError(AssertionError):
  """Something that must never happen did."""


@dataclasses.dataclass(frozen=True)
class Subject:
  """An experiment to torment.

  Attributes:
    gin: its file, from the repository.
    name: of the experiment.
    stages: all of them, in order, the report last.
    training: those that are one program over all processes.
    bindings: over the file, beside the output folder.
    output: the name of the binding that takes the output folder.
  """

  gin: str
  name: str
  stages: tuple[str, ...]
  training: tuple[str, ...] = ()
  bindings: tuple[str, ...] = ()
  output: str = 'Experiment.output'

  def folder(self, output: pathlib.Path, stage: str) -> pathlib.Path:
    """Where a stage writes."""
    root = output / self.name
    return root / ('' if stage == self.stages[-1] else 'seed-0') / stage

  def pending(self, output: pathlib.Path) -> list[str]:
    """The stages that are not complete, in order."""
    return [
      stage
      for stage in self.stages
      if not (self.folder(output, stage) / 'COMPLETE').exists()
    ]

  def begun(self, output: pathlib.Path, stage: str) -> bool:
    """Whether a stage has begun."""
    return (self.folder(output, stage) / 'stage.json').exists()

  def digests(self, output: pathlib.Path) -> dict[str, str]:
    """SHA-256 of everything that a run is for, by file or by stage."""
    root = output / self.name
    found = {}
    for name in _RESULTS:
      for path in [*root.glob(f'*/{name}'), *root.glob(f'*/*/{name}')]:
        found[str(path.relative_to(root))] = _sha(path.read_bytes())
    for path in root.glob('*/summary.json'):
      summary = json.loads(path.read_text())
      del summary['seconds']
      # The command stands in every caption, and names the folder.
      command = json.dumps(summary['command'])[1:-1]
      text = json.dumps(summary, sort_keys=True).replace(command, '')
      found[path.name] = _sha(text.encode())
    for stage in self.training:
      model = self.folder(output, stage) / 'model'
      found[f'parameters of {stage}'] = _sha(b''.join(_parameters(model)))
    return found


PAPER = Subject(
  'tests/chaos/chaos.gin',
  'chaos',
  (
    'pretrain',
    'sample',
    'label',
    'prm',
    'revise_data',
    'revision',
    'difficulty',
    'search',
    'pilot',
    'fit_allocation',
    'allocate',
    'revise',
    'policy',
    'report',
  ),
  training=('pretrain', 'prm', 'revision'),
)


@dataclasses.dataclass
class Chaos:
  """Runs of one experiment, below one folder.

  Attributes:
    subject: the experiment.
    output: the folder.
    counts: numbers of processes to draw from.
    pause: seconds for which one is stopped, in place of being killed; 0 kills.
    struck: how often what was done.
    commands: how many were started.
  """

  subject: Subject
  output: pathlib.Path
  counts: tuple[int, ...] = (1, 2)
  pause: float = 0.0
  struck: dict[str, int] = dataclasses.field(default_factory=dict)
  commands: int = 0

  def in_peace(self) -> dict[str, str]:
    """The digests of an undisturbed run on one process; it is made once."""
    folder = self.output / 'peace'
    while self.subject.pending(folder):
      _succeed(self._start(folder, 1))
    return self.subject.digests(folder)

  def killed(self, seed: int) -> dict[str, str]:
    """The digests of a run that was struck as a seed says, and ended."""
    rng = random.Random(seed)
    folder, subject = self.output / f'seed-{seed}', self.subject
    targets = self._targets(rng)
    while pending := subject.pending(folder):
      targets = [stage for stage in targets if stage in pending]
      started = self._start(folder, rng.choice(self.counts))
      if targets:
        took = self._seconds(targets[0]) / len(started)
        if self._wait(started, folder, targets[0], rng.uniform(0, 0.9 * took)):
          self._strike(started, rng, targets.pop(0))
          continue
      _succeed(started)
    return subject.digests(folder)

  def _targets(self, rng) -> list[str]:
    """Stages to strike in: one drawn by how long it takes, and up to two."""
    stages = self.subject.stages
    drawn = set(rng.choices(stages, [self._seconds(s) for s in stages]))
    drawn.update(rng.sample(stages, rng.randint(0, 2)))
    return sorted(drawn, key=stages.index)

  def _seconds(self, stage: str) -> float:
    """What a stage took in peace."""
    about = self.subject.folder(self.output / 'peace', stage) / 'stage.json'
    return json.loads(about.read_text())['seconds']

  def _start(self, folder: pathlib.Path, count: int) -> list[subprocess.Popen]:
    """The processes of a command that goes on in a folder.

    One process does all stages that are left; several do those of the next
    ones that need the same devices.
    """
    self.commands += 1
    left, options = self.subject.pending(folder), [[]]
    trains, only, devices = left[0] in self.subject.training, [], 2
    if count > 1:
      for stage in left:
        if (stage in self.subject.training) != trains:
          break
        only.append(f'--only={stage}')
      devices = 2 // count if trains else 2
      options = joined.flags(count)
    environ = os.environ | {
      'JAX_PLATFORMS': 'cpu',
      'JAX_COMPILATION_CACHE_DIR': str(self.output / 'cache'),
      'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0.1',
      'XLA_FLAGS': xla.flags(devices),
    }
    bound = [f'{self.subject.output}={str(folder)!r}', *self.subject.bindings]
    return [
      subprocess.Popen(
        [
          sys.executable,
          '-m',
          'ttc.cli.main',
          'run',
          f'--gin_file={self.subject.gin}',
          *(f'--gin.{each}' for each in bound),
          *only,
          *own,
        ],
        cwd=_REPOSITORY,
        env=environ,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
      )
      for own in options
    ]

  def _wait(self, started, folder, stage, delay) -> bool:
    """Waits for the moment to strike; False where the command ends before."""
    moment = None
    while all(process.poll() is None for process in started):
      if moment is None and self.subject.begun(folder, stage):
        moment = time.monotonic() + delay
      if moment is not None and time.monotonic() >= moment:
        return True
      time.sleep(0.005)
    return False

  def _strike(self, started, rng, stage) -> None:
    """Kills one process, or all; looks at how they take it."""
    number = rng.choice((signal.SIGTERM, signal.SIGKILL))
    if self.pause:
      number = signal.SIGSTOP
    name = signal.Signals(number).name
    victims = [rng.randrange(len(started))]
    if rng.random() < 0.3:  # as when all hosts are taken away
      victims = range(len(started))
    for index in victims:
      started[index].send_signal(number)
    if self.pause:
      time.sleep(self.pause)
      for index in victims:
        started[index].send_signal(signal.SIGCONT)
    for what in (f'{name} on {len(started)} processes', f'in {stage}'):
      self.struck[what] = self.struck.get(what, 0) + 1
    # A process may have been done, or not have begun. One that loses process 0
    # may lose the race against jax, which aborts it.
    term, kill = {0, 143, -signal.SIGTERM}, {0, 137, -signal.SIGABRT, -9}
    # One that was stopped goes on, if the others have waited; they may have
    # taken it for dead, and it then finds nobody.
    allowed = {signal.SIGTERM: term, signal.SIGKILL: kill}.get(
      number, term | kill
    )
    patience = _PATIENCE_S if self.pause else _PEER_S
    for code, said in _ends(started, patience):
      if code not in allowed:
        raise ChaosError(f'{name} in {stage} ended with {code}: {said}')


def compare(peace: dict[str, str], other: dict[str, str]) -> None:
  """Raises ChaosError, naming what differs between two runs."""
  differs = sorted(
    name for name in peace | other if peace.get(name) != other.get(name)
  )
  if differs:
    raise ChaosError(f'what differs: {", ".join(differs)}')


def _succeed(started: list[subprocess.Popen]) -> None:
  for code, said in _ends(started, _PATIENCE_S):
    if code:
      raise ChaosError(f'undisturbed, ended with {code}: {said}')


def _ends(started, patience) -> list[tuple[int, str]]:
  """(exit code, standard error) of each process."""
  deadline = time.monotonic() + patience
  found = []
  for process in started:
    try:
      _, said = process.communicate(
        timeout=max(0.1, deadline - time.monotonic())
      )
    except subprocess.TimeoutExpired as error:
      for each in started:
        each.kill()
      raise ChaosError(f'still at work after {patience:.0f} s') from error
    found.append((process.returncode, said))
  return found


def _parameters(folder: pathlib.Path) -> Iterator[bytes]:
  import jax
  import numpy as np

  from ttc.checkpoints import orbax

  for leaf in jax.tree.leaves(orbax.load_model(str(folder))[2]):
    yield np.asarray(leaf).tobytes()


def _sha(data: bytes) -> str:
  return hashlib.sha256(data).hexdigest()


def main() -> None:
  """See the module."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--output', type=pathlib.Path, required=True)
  parser.add_argument('--runs', type=int, default=40)
  parser.add_argument('--first', type=int, default=0, help='seed')
  parser.add_argument('--pause', type=float, default=0.0, metavar='SECONDS')
  options = parser.parse_args()
  os.environ.setdefault('JAX_PLATFORMS', 'cpu')
  chaos = Chaos(PAPER, options.output.absolute(), pause=options.pause)
  peace = chaos.in_peace()
  for seed in range(options.first, options.first + options.runs):
    began = time.monotonic()
    compare(peace, chaos.killed(seed))
    print(
      f'seed {seed}: {len(peace)} digests are equal, '
      f'{time.monotonic() - began:.0f} s',
      flush=True,
    )
  print(
    f'{options.runs} runs, {chaos.commands} commands: '
    + ', '.join(
      f'{count} {what}' for what, count in sorted(chaos.struck.items())
    )
  )


if __name__ == '__main__':
  main()
