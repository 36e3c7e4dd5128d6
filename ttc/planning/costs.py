"""What running a compiled program costs a device.

FLOPs are those of matrix products, which XLA writes as convolutions on TPUs.
Bytes are those that cross between HBM and the core: what an instruction reads
and writes there, slices of large arrays by the size of the slice. Collectives
count the bytes of their result (of what goes in, for a reduce-scatter).
Everything is counted as often as its loop turns.
"""

from collections.abc import Mapping
import dataclasses
import math
import re
from typing import Any

from jax.extend.core import jaxprs_in_params

from ttc.planning.hlo import Array, Computation, Instruction, Module

COLLECTIVES = (
  'all-reduce',
  'all-gather',
  'reduce-scatter',
  'all-to-all',
  'collective-permute',
)

# They name data or wait for it, and move none.
_FREE = {
  'parameter',
  'constant',
  'get-tuple-element',
  'tuple',
  'bitcast',
  'while',
  'call',
  'conditional',
  'after-all',
  'partition-id',
  'replica-id',
  'opt-barrier',
  'copy-done',
  'slice-done',
  'dynamic-slice-done',
  'async-done',
  'async-update',
  'all-gather-done',
  'all-reduce-done',
  'collective-permute-done',
  'send-done',
  'recv-done',
  'domain',
}
_SLICES = {'dynamic-slice', 'slice', 'gather'}
# They write a piece of their first operand, in place: which one is the piece.
_PLACES = {'dynamic-update-slice': 1, 'scatter': 2}
_VIEWS = {'bitcast', 'reshape', 'copy', 'convert', 'transpose'}


@dataclasses.dataclass(frozen=True)
class Collective:
  """Bytes that devices exchange in one way."""

  kind: str
  devices: int  # that exchange among themselves

  @property
  def sent(self) -> float:
    """Bytes that leave a device on a ring, for each that is counted."""
    if self.kind == 'collective-permute':
      return 1.0
    rest = (self.devices - 1) / self.devices
    return 2 * rest if self.kind == 'all-reduce' else rest


@dataclasses.dataclass(frozen=True)
class Costs:
  """Of a program, on each device.

  Attributes:
    flops: of matrix products.
    bytes: to and from HBM.
    collectives: bytes by kind and size of the group.
    unknown: whether a loop turns as often as the data say; it counts once.
    partial: whether only FLOPs are known.
  """

  flops: float = 0.0
  bytes: float = 0.0
  collectives: Mapping[Collective, float] = dataclasses.field(
    default_factory=dict
  )
  unknown: bool = False
  partial: bool = False

  def __add__(self, other: 'Costs') -> 'Costs':
    both = self.collectives.keys() | other.collectives.keys()
    return Costs(
      self.flops + other.flops,
      self.bytes + other.bytes,
      {
        key: self.collectives.get(key, 0) + other.collectives.get(key, 0)
        for key in both
      },
      self.unknown or other.unknown,
      self.partial or other.partial,
    )

  def __mul__(self, times: float) -> 'Costs':
    return Costs(
      self.flops * times,
      self.bytes * times,
      {key: x * times for key, x in self.collectives.items()},
      self.unknown,
      self.partial,
    )

  @classmethod
  def of(cls, text: str, loops: bool = True) -> 'Costs':
    """The costs of `compiled.as_text()`.

    Args:
      text: the program.
      loops: whether what loops do counts as often as they turn, or once.
    """
    module = Module.parse(text)
    return _run(module, module.computations[module.entry], loops)

  @classmethod
  def traced(cls, jaxpr: Any, devices: int) -> 'Costs':
    """FLOPs of a program as it was traced, shared out evenly.

    Nothing is known of one that loops as long as the data say.
    """
    try:
      return cls(flops=_traced(jaxpr.jaxpr) / devices, partial=True)
    except _EndlessError:
      return cls(unknown=True, partial=True)


class _EndlessError(Exception):
  """A loop of no fixed length."""


def _traced(jaxpr: Any) -> float:
  total = 0.0
  for equation in jaxpr.eqns:
    if equation.primitive.name == 'while':
      raise _EndlessError
    if equation.primitive.name == 'dot_general':
      over = equation.params['dimension_numbers'][0][0]
      left = equation.invars[0].aval.shape
      total += (
        2.0
        * math.prod(equation.outvars[0].aval.shape)
        * math.prod(left[i] for i in over)
      )
    for inner in jaxprs_in_params(equation.params):
      total += _traced(inner) * equation.params.get('length', 1)
  return total


def _run(module: Module, computation: Computation, loops: bool) -> Costs:
  total = Costs()
  for x in computation.instructions.values():
    if x.op == 'while':
      trips = module.trips(x) if loops else 1
      total += _run(module, module.body(x), loops) * (trips or 1)
      total += Costs(unknown=trips is None)
      continue
    total += _exchanged(computation, x)
    if x.op in ('call', 'conditional') or x.op.endswith('async-start'):
      for name in x.called:
        total += _run(module, module.computations[name], loops)
      continue
    total += Costs(flops=_flops(computation, x))
    for inner in (module.computations[name] for name in x.called):
      total += _inside(module, inner)
    if x.op not in _FREE:
      total += Costs(bytes=_traffic(module, computation, x))
  return total


def _inside(module: Module, fused: Computation) -> Costs:
  """Products and exchanges of a fusion; its bytes are counted around it."""
  total = Costs()
  for x in fused.instructions.values():
    total += Costs(flops=_flops(fused, x)) + _exchanged(fused, x)
    for name in x.called:
      total += _inside(module, module.computations[name])
  return total


def _exchanged(computation: Computation, x: Instruction) -> Costs:
  kind = x.op.removesuffix('-start')
  if kind not in COLLECTIVES:
    return Costs()
  arrays = x.shape
  if kind == 'reduce-scatter':
    arrays = [a for n in x.operands for a in computation.instructions[n].shape]
  elif x.op.endswith('-start') and kind != 'all-reduce':
    arrays = arrays[len(x.operands) : 2 * len(x.operands)]  # what comes of them
  devices = _group(x.text)
  if devices == 1:
    return Costs()
  return Costs(
    collectives={Collective(kind, devices): float(sum(a.bytes for a in arrays))}
  )


def _group(text: str) -> int:
  """Devices that a collective connects."""
  if 'source_target_pairs' in text:
    return 2
  if listed := re.search(r'replica_groups=\{\{([\d,]*)\}', text):
    return listed[1].count(',') + 1
  if tiled := re.search(r'replica_groups=\[(\d+),(\d+)\]', text):
    return int(tiled[2])
  if mesh := re.search(r'replica_groups=mesh\[([^\]]*)\] ?\{([^}]*)\}', text):
    sizes = dict(re.findall(r"'(\w+)'=(\d+)", mesh[1]))
    return math.prod(
      int(sizes[name]) for name in re.findall(r"'(\w+)'", mesh[2])
    )
  raise ValueError(f'A collective names no groups: {text[:200]}')


def _flops(computation: Computation, x: Instruction) -> float:
  if x.op == 'dot':
    left = computation.instructions[x.operands[0]].shape[0].dims
    over = re.search(r'lhs_contracting_dims=\{([\d,]*)\}', x.text)[1]
    return (
      2.0
      * math.prod(x.shape[0].dims)
      * math.prod(left[int(i)] for i in over.split(',') if i)
    )
  if x.op != 'convolution':
    return 0.0
  left, right = (
    computation.instructions[n].shape[0].dims for n in x.operands[:2]
  )
  given, kernel, made = re.search(
    r'dim_labels=(\w+)_(\w+)->(\w+)', x.text
  ).groups()
  out = x.shape[0].dims
  total = 2.0 * out[made.index('b')] * out[made.index('f')]
  total *= right[kernel.index('i')]
  batches = re.search(r'batch_group_count=(\d+)', x.text)
  total /= int(batches[1]) if batches else 1
  window = _Window(x.text)
  for axis in sorted(c for c in made if c.isdigit()):
    total *= window.products(
      int(axis),
      left[given.index(axis)],
      right[kernel.index(axis)],
      out[made.index(axis)],
    )
  return total


class _Window:
  """How a convolution's kernel moves; batched products are written so."""

  def __init__(self, text: str):
    found = re.search(r'window=\{([^}]*)\}', text)
    self._fields = (
      dict(part.split('=') for part in found[1].split()) if found else {}
    )

  def products(self, axis: int, given: int, kernel: int, made: int) -> int:
    """Pairs along one axis that are multiplied, padding left out."""
    stride = self._int('stride', axis)
    wide = self._int('rhs_dilate', axis)
    apart = self._int('lhs_dilate', axis)
    low = int(self._part('pad', axis, '0_0').split('_')[0])
    last = (given - 1) * apart
    return sum(
      0 <= at <= last and at % apart == 0
      for o in range(made)
      for at in (o * stride - low + k * wide for k in range(kernel))
    )

  def _part(self, name: str, axis: int, default: str) -> str:
    parts = self._fields.get(name)
    return parts.split('x')[axis] if parts else default

  def _int(self, name: str, axis: int) -> int:
    return int(self._part(name, axis, '1'))


def _traffic(module: Module, computation: Computation, x: Instruction) -> int:
  """Bytes that an instruction reads from HBM and writes to it."""
  arrays = lambda name: computation.instructions[name].shape
  if x.op in ('copy-start', 'slice-start'):
    # (from, to, flag) or (to, from, flag): the piece, once on either side.
    source = arrays(x.operands[0])[0]
    target = next((a for a in x.shape if a.dims != source.dims), source)
    sides = {a.fast for a in x.shape[:2]}
    return target.bytes * (2 if sides == {False} else 1)
  if x.op in _SLICES:
    return _hbm(x.shape) + _part_of(arrays(x.operands[0])[0], x.shape)
  if x.op in _PLACES:
    copy_size = arrays(x.operands[_PLACES[x.op]])
    return _hbm(copy_size) + 2 * _part_of(x.shape[0], copy_size)
  if x.op == 'custom-call' and (
    'AllocateBuffer' in x.text or 'Bitcast' in x.text
  ):
    return 0
  if x.op != 'fusion':
    return _hbm(x.shape) + sum(_hbm(arrays(name)) for name in x.operands)
  return _fused(module.computations[x.called[0]], x)


def _fused(fused: Computation, x: Instruction) -> int:
  total = 0
  for parameter in fused.instructions.values():
    if parameter.op == 'parameter' and parameter.shape[0].fast is False:
      total += _read(fused, parameter)
  outputs = [fused.root]
  if fused.root.op == 'tuple':
    outputs = [fused.instructions[name] for name in fused.root.operands]
  for output, array in zip(outputs, x.shape, strict=False):
    total += 0 if array.fast else _written(fused, output, array)
  return total


def _read(fused: Computation, parameter: Instruction) -> int:
  """Bytes of a parameter that a fusion looks at."""
  whole, parts = parameter.shape[0].bytes, 0
  seen = list(fused.users[parameter.name])
  name = parameter.name
  for user in seen:
    if user.op in _SLICES and user.operands[0] == name:
      parts += sum(a.bytes for a in user.shape)
    elif user.op in _PLACES and user.operands[0] == name:
      continue  # written in place
    elif user.op == 'bitcast':
      parts += _read(fused, user)
    else:
      return whole
  return min(parts, whole)


def _written(fused: Computation, output: Instruction, array: Array) -> int:
  while output.op in _VIEWS and output.op != 'copy':
    output = fused.instructions[output.operands[0]]
  if output.op in _PLACES:
    # What stood there is read too, where it is not whole tiles.
    copy_size = fused.instructions[output.operands[_PLACES[output.op]]].shape[0]
    return min(2 * copy_size.bytes, array.bytes)
  return array.bytes


def _hbm(arrays) -> int:
  return sum(a.bytes for a in arrays if not a.fast)


def _part_of(whole: Array, copy_size) -> int:
  return 0 if whole.fast else sum(a.bytes for a in copy_size)
