"""A stage's plan: does it fit, how long does it take, what would fit."""

from collections.abc import Callable
import dataclasses
import functools
import math

from ttc.planning import measure
from ttc.planning.measure import Measured
from ttc.planning.roofline import Bound
from ttc.planning.sampling import Sampling
from ttc.planning.topology import Topology
from ttc.planning.training import Training

_STEP = 'train step'
_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Largest:
  """The most of something that fits, with all else as it is.

  Attributes:
    binding: that says how much.
    now: what it says.
    most: what it could; 0 where none fits.
  """

  binding: str
  now: int
  most: int


@dataclasses.dataclass(frozen=True)
class Plan:
  """What is known of a stage before it runs.

  Attributes:
    mesh: devices along each axis; a sampler's is that of one host.
    resident: bytes a device of what lives through the stage.
    programs: each of them.
    bound: of the whole stage, at least.
    largest: what would fit.
    advice: what to change where it does not fit; '' where it does.
  """

  mesh: dict[str, int]
  resident: dict[str, int]
  programs: list[Measured]
  bound: Bound
  largest: Largest
  advice: str

  @property
  def fits(self) -> bool:
    return not self.advice


def training(work: Training, topology: Topology) -> Plan:
  """Plans a training that takes all of its steps, evaluations left out."""
  chip, config = topology.chip, work.config
  total = sum(work.resident.values())
  if total > chip.hbm:
    largest = Largest('FitConfig.batch', config.batch, 0)
    return _refused(work, largest, _smaller_training(work, topology, largest))
  programs = measure.training(work, chip)
  parts = config.microbatches * work.rows
  most = _most(
    config.batch // parts,
    programs,
    chip.hbm,
    lambda rows: total,
    lambda rows: measure.training(work.with_batch(rows * parts), chip),
  )
  largest = Largest('FitConfig.batch', config.batch, parts * most)
  advice = ''
  if overflows(programs, chip.hbm):
    advice = _smaller_training(work, topology, largest)
  step = next(p for p in programs if p.name == _STEP)
  bound = step.bound * (config.steps / config.steps_per_call)
  return Plan(
    dict(work.mesh.shape), work.resident, programs, bound, largest, advice
  )


def sampling(
  work: Sampling,
  topology: Topology,
  grown: int,
  by_step: bool,
  read: dict[str, int],
) -> Plan:
  """Plans a sampler whose lanes and lines are always full.

  Args:
    work: on the devices of one host; all hosts share the questions.
    topology: the slice.
    grown: tokens that are sampled.
    by_step: whether they are by short chunks.
    read: tokens by the model that reads them.
  """
  chip, capacity = topology.chip, work.capacity
  resident = functools.partial(resident_at, work)
  if resident(1) > chip.hbm:
    largest = Largest('Solver.rows', 2 * capacity.lanes, 0)
    return _refused(work, largest, _smaller_sampling(work, topology, largest))
  programs = measure.sampling(work, chip)
  by_name = {program.name: program for program in programs}
  chunk = (min if by_step else max)(capacity.chunks)
  groups = len(topology.devices) // work.mesh.shape['model']
  bound = by_name[f'extend by {chunk}'].bound * (
    grown / (chunk * capacity.lanes * groups)
  )
  for who, tokens in read.items():
    if who in work.cfgs:
      bound += by_name[f'prefill ({who})'].bound * (
        tokens / (capacity.line * groups)
      )
  large = lambda name: (
    name.startswith('prefill') or (name == f'extend by {max(capacity.chunks)}')
  )
  rows = _most(
    2 * capacity.lanes,
    [p for p in programs if large(p.name)],
    chip.hbm,
    resident,
    lambda rows: measure.sampling(work.with_rows(rows), chip, large),
  )
  largest = Largest('Solver.rows', 2 * capacity.lanes, rows)
  advice = ''
  if overflows(programs, chip.hbm):
    advice = _smaller_sampling(work, topology, largest)
  return Plan(
    dict(work.mesh.shape), work.resident, programs, bound, largest, advice
  )


def _refused(work: Training | Sampling, largest: Largest, advice: str) -> Plan:
  """Of what lies in memory there is too much; no program can change that."""
  return Plan(
    dict(work.mesh.shape), work.resident, [], Bound(0, 0, 0), largest, advice
  )


def overflows(programs: list[Measured], hbm: int) -> bool:
  """Whether one of them does not fit."""
  return any(p.overflow for p in programs) or measure.peak(programs) > hbm


def _most(
  now: int,
  programs: list[Measured],
  hbm: int,
  resident: Callable[[int], float],
  again: Callable[[int], list[Measured]],
) -> int:
  """The most rows that fit, from what two numbers of them take."""
  beside = lambda rows, found: measure.peak(found) - resident(rows)
  other = max(1, now // 2) if overflows(programs, hbm) else 2 * now
  if other == now:
    return 0
  return measure.largest(
    (now, beside(now, programs)),
    (other, beside(other, again(other))),
    resident,
    hbm,
  )


def _held(work: Sampling) -> tuple[int, int, int]:
  """Bytes a device of weights, of pools and of lanes."""
  pools = sum(x for name, x in work.resident.items() if 'pool' in name)
  lanes = work.resident.get('lanes', 0)
  return sum(work.resident.values()) - pools - lanes, pools, lanes


def resident_at(work: Sampling, rows: int) -> float:
  """Bytes a device of what lives through the stage, with so many rows."""
  weights, pools, lanes = _held(work)
  now, then = work.capacity, work.sizes(rows)
  return (
    weights
    + pools * (then.slots + 1) / (now.slots + 1)
    + lanes * then.lanes / now.lanes
  )


def _smaller_training(
  work: Training, topology: Topology, largest: Largest
) -> str:
  """The first binding whose change helps, and why."""
  hbm, config, shape = topology.chip.hbm, work.config, work.mesh.shape
  total = sum(work.resident.values())
  whole = shape['data'] > 1
  cut = f'Layout.fsdp={shape["fsdp"] * shape["data"]} (now {shape["fsdp"]})'
  if total > hbm:
    why = f'parameters and optimizer take {total / _GIB:.1f} GiB a device'
    chips = math.ceil(total * topology.chips / hbm)
    return (
      f'{cut}: {why}'
      if whole
      else (f'--topology: {why}; {chips} chips or more would hold them')
    )
  if config.remat == 'none':
    return "FitConfig.remat='full' (now 'none')"
  if largest.most:
    return f'FitConfig.batch={largest.most} (now {largest.now})'
  if config.batch // config.microbatches > work.rows:
    return (
      f'FitConfig.microbatches={config.batch // work.rows} (now '
      f'{config.microbatches})'
    )
  return cut if whole else f'FitConfig.seq_len (now {config.seq_len})'


def _smaller_sampling(
  work: Sampling, topology: Topology, largest: Largest
) -> str:
  host, parts = len(topology.host.devices), work.mesh.shape['model']
  weights, *_ = _held(work)
  if largest.most:
    return f'Solver.rows={largest.most} (now {largest.now})'
  if parts < host:
    rows = resident_at(work, 1) - weights
    return (
      f'Solver.model_parallel={2 * parts} (now {parts}): weights take '
      f'{weights / _GIB:.1f} GiB a device, and the {work.width} rows of '
      f'a question that live at once {rows / _GIB:.1f} GiB'
    )
  if weights < topology.chip.hbm and work.width > 1:
    return (
      f'the largest budget of Search.arms: its {work.width} rows of a '
      'question live at once'
    )
  return (
    f'--topology: weights take {weights / _GIB:.1f} GiB of each of the '
    f'{host} devices of a host'
  )
