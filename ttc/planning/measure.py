"""Memory, costs and time bounds of a stage's programs on a chip."""

from collections.abc import Callable, Sequence
import dataclasses

from ttc.models.chips import Chip
from ttc.planning import layers
from ttc.planning.costs import Costs
from ttc.planning.programs import Compiled, nbytes, Program
from ttc.planning.roofline import Bound
from ttc.planning.sampling import Sampling
from ttc.planning.training import Training

_SPARE = 0.97  # share of HBM that a proposal fills: it is an extrapolation
_MANY = 2**20  # rows at which the search for the largest number stops


@dataclasses.dataclass(frozen=True)
class Measured:
  """Memory, costs and time of one program on one device.

  Attributes:
    name: name of the program.
    arguments: bytes of its arguments in the layouts of the compiler.
    estimate: bytes of its arguments by shapes and shardings alone, those that
      the compiler dropped as unused included.
    outputs: bytes of outputs that do not reuse a donated argument.
    temporaries: bytes of temporaries, see `programs.Memory`.
    beside: bytes of resident arrays that are not among its arguments.
    overflow: whether the compiler refused it because it does not fit.
    costs: FLOPs, HBM bytes and collectives of one execution.
    bound: lower bound on the time of one execution.
  """

  name: str
  arguments: float
  estimate: float
  outputs: float
  temporaries: float
  beside: float
  overflow: bool
  costs: Costs
  bound: Bound

  @classmethod
  def of(
    cls,
    program: Program,
    compiled: Compiled,
    beside: float,
    estimate: float,
    chip: Chip,
  ) -> 'Measured':
    """Combines what is known of a compiled program.

    Args:
      program: the program.
      compiled: the compiler's result.
      beside: see the class.
      estimate: see the class.
      chip: what it runs on.
    """
    memory = compiled.memory
    return cls(
      program.name,
      memory.arguments,
      estimate,
      memory.outputs,
      memory.temporaries,
      beside,
      memory.overflow,
      compiled.costs,
      Bound.of(compiled.costs, chip),
    )

  @property
  def peak(self) -> float:
    """Bytes of HBM in use while the program runs, resident arrays included."""
    # Arguments that the compiler dropped as unused are in memory all the same;
    # layouts with padding may take more than the shapes.
    return (
      max(self.arguments, self.estimate)
      + self.outputs
      + self.temporaries
      + self.beside
    )


def training(work: Training, chip: Chip) -> list[Measured]:
  """Compiles and measures the programs of a training stage.

  Training scans over layers, so that deep models compile as fast as shallow
  ones.

  Args:
    work: the training.
    chip: a device of the slice.

  Raises:
    RuntimeError: see `Program.compile`.
  """
  return [
    Measured.of(
      program, program.compile(), beside, nbytes(program.arguments), chip
    )
    for program, beside in work.programs()
  ]


def sampling(
  work: Sampling, chip: Chip, wanted: Callable[[str], bool] = lambda _: True
) -> list[Measured]:
  """Compiles and measures the programs of a sampler.

  Sampling unrolls layers; deep models are extrapolated from shallow ones, see
  `layers.py`.

  Args:
    work: the sampler.
    chip: a device of the slice.
    wanted: whether to measure the program of a name.

  Raises:
    RuntimeError: see `Program.compile`.
  """
  whole = [(p, beside) for p, beside in work.programs() if wanted(p.name)]
  counts = layers.sample(work.cfgs.values())
  if counts is None:
    return [
      Measured.of(p, p.compile(), beside, nbytes(p.arguments), chip)
      for p, beside in whole
    ]
  shallow = [
    [p.compile() for p, _ in work.with_layers(n).programs() if wanted(p.name)]
    for n in counts
  ]
  measured = []
  for (p, beside), few, more in zip(whole, *shallow, strict=True):
    compiled = layers.extend(few, more, counts, work.layers(p.name))
    measured.append(Measured.of(p, compiled, beside, nbytes(p.arguments), chip))
  return measured


def peak(programs: Sequence[Measured]) -> float:
  """Bytes of HBM that the largest of some programs needs."""
  return max(program.peak for program in programs)


def largest(
  now: tuple[int, float],
  other: tuple[int, float],
  resident: Callable[[int], float],
  hbm: float,
) -> int:
  """The largest number of rows that fits, extrapolated from two measurements.

  Args:
    now: (rows, bytes of the peak beyond the resident arrays).
    other: likewise, for another number of rows.
    resident: maps a number of rows to the bytes of resident arrays.
    hbm: bytes of HBM.

  Returns:
    The number of rows; 0 if not even one fits.
  """
  (rows, used), (other_rows, other_used) = now, other
  per_row = max(0.0, (other_used - used) / (other_rows - rows))
  fits = lambda n: resident(n) + used + per_row * (n - rows) <= _SPARE * hbm
  # Doubling finds a bound, bisection the number. `resident` steps with the
  # shapes of the pools, so the number cannot be computed directly.
  low, high = 0, 1
  while fits(high) and high < _MANY:
    low, high = high, 2 * high
  while high - low > 1:
    middle = (low + high) // 2
    low, high = (middle, high) if fits(middle) else (low, middle)
  return low
