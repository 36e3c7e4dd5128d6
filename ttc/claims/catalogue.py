"""All claims that the measurements allow, in the order of the report."""

from collections.abc import Sequence

from ttc.analysis import verdicts
from ttc.analysis.study import Study
from ttc.analysis.verdicts import Claim
from ttc.claims import matched, revisions, search, verifier


def build(studies: Sequence[Study], size_ratio: float | None) -> list[Claim]:
  """Judges every claim whose inputs were measured, and then all together.

  Args:
    studies: one per seed.
    size_ratio: M, the ratio of parameters; None without a large model.
  """
  return verdicts.corrected(
    [
      *verifier.claims(studies),
      *search.claims(studies),
      *revisions.claims(studies),
      *matched.claims(studies, size_ratio),
    ]
  )
