"""Student's t distribution, of whole degrees of freedom.

Tails of few observations are longer than the normal ones. NumPy has neither.
"""

import functools
import math
import statistics

NORMAL = statistics.NormalDist()


def cdf(t: float, freedom: int) -> float:
  """Share of the distribution below t.

  A finite sum, exact for whole numbers (Abramowitz and Stegun 26.7.3, 26.7.4).

  Args:
    t: infinities are allowed.
    freedom: degrees of freedom, at least 1.
  """
  angle = math.atan(t / math.sqrt(freedom))
  sine, cosine = math.sin(angle), math.cos(angle)
  odd = freedom % 2
  term, total = (cosine, 0.0) if odd else (1.0, 0.0)
  for k in range(2 + odd, freedom + 1, 2):
    total += term
    term *= cosine**2 * (k - 1) / k
  inside = sine * total
  if odd:
    inside = 2 / math.pi * (angle + inside)
  return (1 + inside) / 2


@functools.cache
def quantile(share: float, freedom: int) -> float:
  """The t below which a share of the distribution is; inverse of `cdf`.

  Args:
    share: above 0 and below 1.
    freedom: degrees of freedom, at least 1.
  """
  low, high = -1.0, 1.0
  while cdf(low, freedom) > share:
    low *= 2
  while cdf(high, freedom) < share:
    high *= 2
  for _ in range(60):
    middle = (low + high) / 2
    low, high = (
      (middle, high) if cdf(middle, freedom) < share else (low, middle)
    )
  return (low + high) / 2
