"""FLOPs, HBM traffic and collectives of a compiled program, per device.

FLOPs are those of matrix products, which XLA writes as convolutions on TPUs.
Bytes are those that instructions read from HBM and write to it; a slice of a
large array counts by the size of the slice. Collectives count the bytes of
their result, a reduce-scatter those of its operands. An instruction counts once
per iteration of the loops around it.
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

# Instructions that name data or wait for it, but move none.
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
# Instructions that overwrite a part of their first operand in place, and the
# index of the operand that is the new part.
_PLACES = {'dynamic-update-slice': 1, 'scatter': 2}
_VIEWS = {'bitcast', 'reshape', 'copy', 'convert', 'transpose'}


@dataclasses.dataclass(frozen=True)
class Collective:
  """A kind of collective, of `COLLECTIVES`, and the devices in a group."""

  kind: str
  devices: int

  @property
  def sent(self) -> float:
    """Bytes that leave a device on a ring, per byte that is counted.

    On a ring of n devices, each sends (n - 1) / n of the array; an all-reduce
    is a reduce-scatter and an all-gather (Patarasuk and Yuan 2009).
    """
    if self.kind == 'collective-permute':
      return 1.0
    rest = (self.devices - 1) / self.devices
    return 2 * rest if self.kind == 'all-reduce' else rest


@dataclasses.dataclass(frozen=True)
class Costs:
  """Costs of one execution of a program, per device.

  Attributes:
    flops: floating-point operations of matrix products.
    bytes: bytes read from HBM and written to it.
    collectives: bytes of collectives, by kind and group size.
    unknown: whether the number of iterations of a loop depends on the data;
      such a loop counts once.
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
    """Counts the costs of a compiled program.

    Args:
      text: the program, as of `compiled.as_text()`.
      loops: True counts the body of a loop per iteration, False once, as XLA's
        own cost analysis does.
    """
    module = Module.parse(text)
    return _run(module, module.computations[module.entry], loops)

  @classmethod
  def traced(cls, jaxpr: Any, devices: int) -> 'Costs':
    """Counts the FLOPs of a traced program.

    Args:
      jaxpr: the closed jaxpr.
      devices: number of devices among which its products are divided evenly.

    Returns:
      Costs with `partial` set. They are zero, with `unknown` set, if the number
      of iterations of a loop depends on the data.
    """
    try:
      return cls(flops=_traced(jaxpr.jaxpr) / devices, partial=True)
    except _EndlessError:
      return cls(unknown=True, partial=True)


class _EndlessError(Exception):
  """A loop whose number of iterations is not fixed."""


def _traced(jaxpr: Any) -> float:
  """FLOPs of a jaxpr and the jaxprs in it, over all devices."""
  total = 0.0
  for equation in jaxpr.eqns:
    if equation.primitive.name == 'while':
      raise _EndlessError
    if equation.primitive.name == 'dot_general':
      over = equation.params['dimension_numbers'][0][0]
      left, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
      total += 2.0 * math.prod(out) * math.prod(left[i] for i in over)
    for inner in jaxprs_in_params(equation.params):
      total += _traced(inner) * _turns(equation)
  return total


def _turns(equation: Any) -> int:
  """How often, over all devices, a jaxpr of an equation's parameters runs."""
  params = equation.params
  if 'newly_manual_axes' in params:  # a shard_map
    return math.prod(map(params['mesh'].shape.get, params['newly_manual_axes']))
  if 'grid_mapping' in params:  # a Pallas kernel
    return math.prod(params['grid_mapping'].grid)
  return params.get('length', 1)  # only a scan has one


def _run(module: Module, computation: Computation, loops: bool) -> Costs:
  """Costs of a computation whose instructions run one after the other."""
  total = Costs()
  for x in computation.instructions.values():
    if x.op == 'while':
      trips = module.trips(x) if loops else 1
      total += _run(module, module.body(x), loops) * (trips or 1)
      total += Costs(unknown=trips is None)
      continue
    total += _exchanged(computation, x)
    # Of a conditional, all branches count: which one runs is not known.
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
  """FLOPs and collectives in a fusion; its HBM traffic is that of the whole."""
  total = Costs()
  for x in fused.instructions.values():
    total += Costs(flops=_flops(fused, x)) + _exchanged(fused, x)
    for name in x.called:
      total += _inside(module, module.computations[name])
  return total


def _exchanged(computation: Computation, x: Instruction) -> Costs:
  """Bytes of an instruction that starts a collective; nothing for others."""
  kind = x.op.removesuffix('-start')
  if kind not in COLLECTIVES:
    return Costs()
  arrays = x.shape
  if kind == 'reduce-scatter':
    arrays = [a for n in x.operands for a in computation.instructions[n].shape]
  elif x.op.endswith('-start') and kind != 'all-reduce':
    # The shape is (operands, results, ...); only the results count.
    arrays = arrays[len(x.operands) : 2 * len(x.operands)]
  devices = _group(x.text)
  if devices == 1:
    return Costs()
  return Costs(
    collectives={Collective(kind, devices): float(sum(a.bytes for a in arrays))}
  )


def _group(text: str) -> int:
  """Number of devices in a group; raises ValueError for unknown notation."""
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
  """FLOPs of a dot or convolution, two per multiply-add; 0 for others."""
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
  # Labels of the axes, e.g. 'bf01_oi01->bf01': b batch, f and o features, i the
  # input features that are summed over, and digits for spatial axes.
  inputs, kernel, outputs = re.search(
    r'dim_labels=(\w+)_(\w+)->(\w+)', x.text
  ).groups()
  out = x.shape[0].dims
  total = 2.0 * out[outputs.index('b')] * out[outputs.index('f')]
  total *= right[kernel.index('i')]
  batches = re.search(r'batch_group_count=(\d+)', x.text)
  total /= int(batches[1]) if batches else 1
  window = _Window(x.text)
  for axis in sorted(c for c in outputs if c.isdigit()):
    total *= window.products(
      int(axis),
      left[inputs.index(axis)],
      right[kernel.index(axis)],
      out[outputs.index(axis)],
    )
  return total


class _Window:
  """The window of a convolution.

  XLA writes batched matrix products as convolutions over windows that are
  mostly padding, which costs nothing.
  """

  def __init__(self, text: str):
    match = re.search(r'window=\{([^}]*)\}', text)
    self._fields = (
      dict(part.split('=') for part in match[1].split()) if match else {}
    )

  def products(self, axis: int, inputs: int, kernel: int, outputs: int) -> int:
    """Number of (input, kernel) pairs that are multiplied along a spatial axis.

    Sizes are those along this axis. Pairs whose input is padding, or a hole of
    dilation, do not count.
    """
    stride = self._int('stride', axis)
    kernel_dilation = self._int('rhs_dilate', axis)
    input_dilation = self._int('lhs_dilate', axis)
    low = int(self._part('pad', axis, '0_0').split('_')[0])
    last = (inputs - 1) * input_dilation
    return sum(
      0 <= at <= last and at % input_dilation == 0
      for o in range(outputs)
      for at in (o * stride - low + k * kernel_dilation for k in range(kernel))
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
    # The shape is (from, to, flag) or (to, from, flag). The part that moves is
    # the smaller array; it counts once for each side that is in HBM.
    source = arrays(x.operands[0])[0]
    target = next((a for a in x.shape if a.dims != source.dims), source)
    sides = {a.fast for a in x.shape[:2]}
    return target.bytes * (2 if sides == {False} else 1)
  if x.op in _SLICES:
    return _hbm(x.shape) + _part_of(arrays(x.operands[0])[0], x.shape)
  if x.op in _PLACES:
    part = arrays(x.operands[_PLACES[x.op]])
    return _hbm(part) + 2 * _part_of(x.shape[0], part)
  if x.op == 'custom-call' and (
    'AllocateBuffer' in x.text or 'Bitcast' in x.text
  ):
    return 0
  if x.op != 'fusion':
    return _hbm(x.shape) + sum(_hbm(arrays(name)) for name in x.operands)
  return _fused(module.computations[x.called[0]], x)


def _fused(fused: Computation, x: Instruction) -> int:
  """Bytes that a fusion reads from HBM and writes to it."""
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
  """Bytes of a parameter that a fusion reads: its slices, or all of it."""
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
  """Bytes that a fusion writes for one of its outputs."""
  while output.op in _VIEWS and output.op != 'copy':
    output = fused.instructions[output.operands[0]]
  if output.op in _PLACES:
    # Twice: a part that is no whole number of tiles is read before it is
    # written.
    part = fused.instructions[output.operands[_PLACES[output.op]]].shape[0]
    return min(2 * part.bytes, array.bytes)
  return array.bytes


def _hbm(arrays) -> int:
  return sum(a.bytes for a in arrays if not a.fast)


def _part_of(whole: Array, parts) -> int:
  return 0 if whole.fast else sum(a.bytes for a in parts)
