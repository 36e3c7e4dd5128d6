"""A stage that grades texts that it is given, as solvers do their samples."""

import dataclasses
from typing import ClassVar

from ttc.grading.grader import Grader
from ttc.pipeline.stage import StageRun

# One ends no pattern that backtracks, one no parser without a limit of depth,
# one no arithmetic without a limit of size, and one is not read for its length.
POISON = (
  r'\boxed{\text{' + 'a' * 64 + '1!}}',
  r'\boxed{7' + 'cm^2 ' * 40 + '+}',
  '# answer' + ' ' * 20_000,
  r'\boxed{' + r'\frac' * 350 + '}',
  r'\boxed{\log_{1.00000000000000000000001} 2}',
  r'\boxed{\log_{10^{400}} 2}',
  r'\boxed{' + r'\log_' * 250 + '2}',
  r'\boxed{' + '7' * 3000 + '}',
)


@dataclasses.dataclass(frozen=True)
class Judge:
  """Grades ordinary answers, and a poisonous one in each part."""

  kind: ClassVar[str] = 'sample'
  name: str = 'judge'
  parts: int = 8
  ordinary: int = 20

  def __call__(self, run: StageRun) -> None:
    """Writes one row per text."""
    with Grader(workers=1) as grader:
      for part in run.parts(range(self.parts), 1):
        texts = [rf'so \boxed{{{i}}}' for i in range(self.ordinary)]
        texts.append(POISON[part.items[0] % len(POISON)])
        verdicts = grader.grade_many((r'\frac72', t, 'response') for t in texts)
        rows = [
          {'correct': v.correct}
          | ({'undecided': v.undecided} if v.undecided else {})
          for v in verdicts
        ]
        part.write([{'problem': part.items[0], 'rows': rows}])
