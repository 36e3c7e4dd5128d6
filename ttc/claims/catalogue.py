"""All claims that the measurements allow, in the order of the report."""

from collections.abc import Sequence

from ttc.allocation.comparison import Comparison
from ttc.analysis.study import Study
from ttc.claims import (
  allocation,
  matched,
  revisions,
  search,
  verdicts,
  verifier,
)
from ttc.claims.verdicts import Claim


def build(
  studies: Sequence[Study],
  size_ratio: float | None,
  comparisons: Sequence[Comparison | None] = (),
) -> list[Claim]:
  """Judges every claim whose inputs were measured, and then all together.

  Args:
    studies: one per seed.
    size_ratio: M, the ratio of parameters; None without a large model.
    comparisons: of allocation, one per seed; () without.
  """
  return verdicts.corrected(
    [
      *(allocation.claims(comparisons) if comparisons else ()),
      *verifier.claims(studies),
      *search.claims(studies),
      *revisions.claims(studies),
      *matched.claims(studies, size_ratio),
    ]
  )
