"""The parts in order of importance, for an accelerator or for a CPU to try."""

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

from benchmarks.accelerator.runner import Part

_TASKS = ('beam', 'best_of_n')


@dataclasses.dataclass(frozen=True)
class Scale:
  """How large everything is.

  Attributes:
    size: the shape that stands for a size's name.
    product: width of the product.
    read: numbers that are summed.
    protocol: fields of it, but for the questions.
    questions: of the protocol.
    few: questions of opponent D one by one.
    together: questions that D takes into a batch.
    rows: of the scheduler.
    line: of the scheduler.
    lanes: of `extend`, the most important first.
    few_lanes: of the largest model.
    extend: its other arguments.
    prefills: lines of it.
    cells: cache positions of a row of a prefill.
    trained: (rows, tokens, remat) of the settings of training.
    long: likewise, with long rows.
    generated: rows of transformers, by size, and the tokens of each.
    same: questions, and their rows.
  """

  size: Callable[[str], str]
  product: int
  read: int
  protocol: Mapping[str, int]
  questions: int
  few: int
  together: int
  rows: int
  line: int
  lanes: tuple[int, ...]
  few_lanes: int
  extend: Mapping[str, int]
  prefills: tuple[int, ...]
  cells: int
  trained: tuple[tuple[int, int, str], ...]
  long: tuple[tuple[int, int, str], ...]
  generated: tuple[Mapping[str, int], int]
  same: tuple[int, int]


WHOLE = Scale(
  size=lambda name: name,
  product=8192,
  read=2**31,
  protocol=dict(budget=16),
  questions=32,
  few=2,
  together=16,
  rows=256,
  line=1024,
  lanes=(256, 512, 128, 64),
  few_lanes=128,
  extend=dict(cells=512, at=320, chunk=64),
  prefills=(2048, 4096, 8192),
  cells=512,
  trained=((8, 1024, 'full'), (8, 1024, 'none')),
  long=((2, 4096, 'full'), (2, 4096, 'none'), (8, 4096, 'full')),
  generated=({'0.5B': 256, '1.5B': 256, '7B': 128}, 64),
  same=(16, 16),
)

# All of it in a minute or two of a CPU.
TINY = Scale(
  size=lambda name: 'tiny',
  product=256,
  read=2**20,
  protocol=dict(budget=4, prompt=16, shortest=2, longest=4, rounds=2, width=2),
  questions=3,
  few=1,
  together=2,
  rows=8,
  line=64,
  lanes=(4, 2),
  few_lanes=4,
  extend=dict(cells=64, at=16, chunk=8),
  prefills=(64, 128),
  cells=64,
  trained=((2, 32, 'full'),),
  long=((1, 64, 'none'),),
  generated=({'0.5B': 4, '1.5B': 4, '7B': 4}, 16),
  same=(2, 4),
)


def parts(scale: Scale) -> tuple[Part, ...]:
  """All parts, the most important first.

  Programs of the models take long to compile, so what a size shows best comes
  before what fills up its picture.
  """
  first, others = scale.lanes[:1], scale.lanes[1:]
  short, longer = scale.prefills[:1], scale.prefills[1:]
  return (
    _limits(scale),
    _search(scale, '0.5B', least=60),
    _strong(scale, '0.5B'),
    _extend(scale, '7B', (scale.few_lanes,)),
    _extend(scale, '0.5B', first),
    _train(scale, '0.5B', scale.trained),
    _search(scale, '1.5B', least=75),
    _strong(scale, '1.5B'),
    _extend(scale, '1.5B', first),
    _prefill(scale, '1.5B', short),
    _train(scale, '1.5B', scale.trained),
    _same(scale),
    _generate(scale, '0.5B'),
    _train(scale, '0.5B', scale.long, '-long'),
    _train(scale, '1.5B', scale.long, '-long'),
    _prefill(scale, '1.5B', longer, '-long'),
    _extend(scale, '0.5B', others, '-lanes'),
    _extend(scale, '1.5B', others, '-lanes'),
    _prefill(scale, '0.5B', scale.prefills),
    _prefill(scale, '7B', scale.prefills),
    _generate(scale, '7B'),
    _generate(scale, '1.5B'),
  )


def _part(
  name: str, function: str, *settings: Mapping[str, Any], **also
) -> Part:
  return Part(name, f'benchmarks.accelerator.{function}', settings, **also)


def _limits(scale: Scale) -> Part:
  return _part(
    'limits',
    'limits:limit',
    dict(of='product', size=scale.product),
    dict(of='read', size=scale.read),
    limit=120,
  )


def _search(scale: Scale, size: str, least: float) -> Part:
  return _part(
    f'search-{size}',
    'search:search',
    *(
      dict(
        size=scale.size(size),
        task=task,
        protocol={**scale.protocol, 'questions': scale.questions},
        rows=scale.rows,
        line=scale.line,
        profiled=profiled,
      )
      for task in _TASKS
      for profiled in (False, True)
    ),
    least=least,
    limit=240,
  )


def _strong(scale: Scale, size: str) -> Part:
  most = min(scale.together, scale.questions)
  return _part(
    f'strong-{size}',
    'rivals:strong',
    *(
      dict(
        size=scale.size(size),
        task=task,
        protocol={**scale.protocol, 'questions': questions},
        most=most,
        together=together,
      )
      for task in _TASKS
      for questions, together in ((scale.questions, most), (scale.few, 1))
    ),
    least=30,
    limit=120,
    needs=('torch',),
  )


def _extend(
  scale: Scale, size: str, lanes: tuple[int, ...], also: str = ''
) -> Part:
  return _part(
    f'extend-{size}{also}',
    'sampling:extend',
    *(
      dict(size=scale.size(size), lanes=count, **scale.extend)
      for count in lanes
    ),
    least=30,
    limit=120,
  )


def _prefill(
  scale: Scale, size: str, lines: tuple[int, ...], also: str = ''
) -> Part:
  return _part(
    f'prefill-{size}{also}',
    'sampling:prefill',
    *(
      dict(size=scale.size(size), line=line, cells=scale.cells)
      for line in lines
    ),
    least=25,
    limit=90,
  )


def _train(
  scale: Scale,
  size: str,
  steps: tuple[tuple[int, int, str], ...],
  also: str = '',
) -> Part:
  return _part(
    f'train-{size}{also}',
    'training:train',
    *(
      dict(size=scale.size(size), batch=batch, seq_len=seq_len, remat=remat)
      for batch, seq_len, remat in steps
    ),
    least=30,
    limit=150,
  )


def _generate(scale: Scale, size: str) -> Part:
  rows, new = scale.generated
  return _part(
    f'generate-{size}',
    'rivals:generate',
    dict(size=scale.size(size), rows=rows[size], new=new),
    least=25,
    limit=60,
    needs=('torch', 'transformers'),
  )


def _same(scale: Scale) -> Part:
  questions, budget = scale.same
  return _part(
    'same',
    'same:same',
    *(dict(task=task, questions=questions, budget=budget) for task in _TASKS),
    least=40,
    limit=100,
  )
