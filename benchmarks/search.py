"""Search over steps, side by side: `python -m benchmarks.search`."""

from benchmarks import harness
from benchmarks.harness import Contender

CONTENDERS = (
  Contender('ttc', 'benchmarks.ours', 'beam'),
  Contender('D', 'benchmarks.opponents.strong', 'beam'),
  Contender('D-packed', 'benchmarks.opponents.strong', 'beam', ('--packed',)),
  Contender(
    'D-packed-4',
    'benchmarks.opponents.strong',
    'beam',
    ('--packed', '--together=4'),
  ),
  Contender('B-beam', 'benchmarks.opponents.its_hub', 'beam', slow=True),
  Contender(
    'B-particles', 'benchmarks.opponents.its_hub', 'particles', slow=True
  ),
)

if __name__ == '__main__':
  harness.main('search', CONTENDERS)
