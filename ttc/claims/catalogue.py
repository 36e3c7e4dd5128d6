"""All claims that the measurements allow, in the order of the report."""

from collections.abc import Sequence

from ttc.analysis.bootstrap import Claim
from ttc.analysis.study import Study
from ttc.claims import matched, revisions, search, verifier


def build(studies: Sequence[Study], size_ratio: float | None) -> list[Claim]:
  """Judges every claim whose inputs were measured.

  Args:
    studies: one per seed.
    size_ratio: M, the ratio of parameters; None without a large model.
  """
  return [
    *verifier.claims(studies),
    *search.claims(studies),
    *revisions.claims(studies),
    *matched.claims(studies, size_ratio),
  ]
