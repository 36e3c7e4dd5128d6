"""Best-of-N, side by side: `python -m benchmarks.sample`."""

from benchmarks import harness
from benchmarks.harness import Contender

CONTENDERS = (
  Contender('ttc', 'benchmarks.ours', 'best_of_n'),
  Contender('A', 'benchmarks.opponents.best_of_n', 'best_of_n', slow=True),
  Contender('D', 'benchmarks.opponents.strong', 'best_of_n'),
  Contender(
    'D-packed', 'benchmarks.opponents.strong', 'best_of_n', ('--packed',)
  ),
)

if __name__ == '__main__':
  harness.main('sample', CONTENDERS)
