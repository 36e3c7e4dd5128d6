"""Prime factors, and logarithms that are integers."""

from fractions import Fraction
import functools
import math

_TRIALS = 10_000  # prime factors below this are found


@functools.lru_cache(maxsize=4096)
def prime_factors(number: int) -> tuple[tuple[int, int], ...] | None:
  """Primes and their counts in a positive integer; None if hard to find."""
  found = []
  for prime in (2, *range(3, _TRIALS, 2)):
    if prime * prime > number:
      break
    count = 0
    while number % prime == 0:
      number //= prime
      count += 1
    if count:
      found.append((prime, count))
  if number > 1:
    half = math.isqrt(number)
    if number < _TRIALS**2:
      found.append((number, 1))
    elif half * half == number and half < _TRIALS**2:
      found.append((half, 2))
    else:
      return None
  return tuple(found)


def whole_log(base: Fraction, value: Fraction) -> int | None:
  """The integer k with base^k = value, for base > 1 and value > 0."""
  large = value if value > 1 else 1 / value
  # Numerators are integers of at least 2, whose logarithms are finite and not
  # zero however large they are or however near the fractions are to 1.
  count = round(math.log(large.numerator) / math.log(base.numerator))
  if base**count != large:
    return None
  return count if value > 1 else -count
