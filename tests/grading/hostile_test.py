"""Tests with answers that are meant to hang, crash or take over a grader."""

import concurrent.futures
import time

import pytest

from tests.grading import corpus

_HOSTILE = {
  'tower': '9^{9^{9^9}}',
  'tower of roots': '\\sqrt{9^{9^{9^{9}}}}',
  'tower and one': '9^{9^{9^9}} + 1',
  'factorial': '20000000!',
  'factorials': '5' + '!' * 50,
  'power': '2^{500000000}',
  'sum': '\\sum_{k=1}^{100000000} \\frac{1}{k}',
  'product': '\\prod_{k=1}^{1000000} (x+k)',
  'integral': '\\int_0^1 \\sin(\\sin(\\sin(x^{x^x}))) dx',
  'matrix power': '\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}^{99999999}',
  'polynomial': '(x+y+z)^{900}',
  'binomial': '\\binom{1000000000}{500000000}',
  'fractions': '\\frac{1}{1+' * 300 + '1' + '}' * 300,
  'few fractions': '\\frac{1}{1+' * 20 + 'x' + '}' * 20,
  'roots': '\\sqrt{2+' * 300 + '1' + '}' * 300,
  'brackets': '(' * 50_000,
  'braces': '{' * 2**20,
  'text': '\\text{' * 100_000,
  'boxes': '\\boxed{' * 100_000,
  'digits': '4' * 2**20,
  'few digits': '4' * 900,
  'decimals': '0.' + '3' * 900,
  'commas': '2,' * 500_000,
  'few commas': '2,' * 400,
  'pairs': '(1,2),' * 150,
  'plus or minus': '\\pm 1' * 150,
  'relations': 'x<' * 400 + '1',
  'ors': '1\\text{ or }' * 70 + '2',
  'minus': '-' * 900 + '5',
  'backslashes': '\\' * 2**20,
  'null': '3\x00',
  'surrogate': '\ud800',
  'newlines': '\n' * 2**20,
  'percent': '5' + '%' * 900,
  'stars': 'x' + '^{x' * 150 + '}' * 150,
  'cases': '\\begin{cases}' * 60,
}
_CODE = (
  '__import__("os").system("{}")',
  'exec(\'import os; os.system("{}")\')',
  "eval(\"open('{0}', 'w')\")",
  "sympify(\"__import__('os').system('{}')\")",
  '\\text{{__import__("os").system("{}")}}',
  '$__import__("os").system("{}")$',
  'x.__class__.__base__.__subclasses__()  # {}',
  '\\write18{{{}}} \\input{{/etc/passwd}}',
  'lambda: {}',
  '(lambda f: f(f))(lambda f: f(f))  # {}',
)


@pytest.mark.parametrize('name', sorted(_HOSTILE))
@pytest.mark.parametrize('kind', ['answer', 'response'])
def test_hostile_answers_are_wrong_within_the_limit(grader, name, kind):
  start = time.monotonic()
  verdict = grader.grade('3', _HOSTILE[name], kind)
  # Processor time is what is limited; this is for a machine that is busy.
  assert time.monotonic() - start < 10
  assert not verdict.correct or name == 'null'


@pytest.mark.parametrize('name', ['tower', 'tower and one', 'stars', 'sum'])
def test_hostile_references_too(grader, name):
  text = _HOSTILE[name]
  assert grader.grade(text, text).correct
  assert not grader.grade(text, f'({text}) + 2').correct


def test_hostile_answers_from_many_threads(grader):
  answers = [f'{text} + 2' for text in _HOSTILE.values()] + ['0.5'] * 8
  with concurrent.futures.ThreadPoolExecutor(8) as executor:
    verdicts = executor.map(lambda text: grader.grade('1/2', text), answers)
  assert [verdict.correct for verdict in verdicts] == (
    [False] * len(_HOSTILE) + [True] * 8
  )


def test_hostile_answers_vote_for_themselves(grader):
  answers = [*_HOSTILE.values(), '3', *_HOSTILE.values(), '3.0']
  found = grader.classes(answers)
  count = len(_HOSTILE)
  assert found[count] == found[-1]
  assert found[:count] == found[count + 1 : -1]


@pytest.mark.parametrize('code', _CODE)
def test_code_is_never_run(grader, tmp_path, code):
  made = tmp_path / 'made'
  text = code.format(f'touch {made}')
  for pred in (text, f'\\boxed{{{text}}}', f'\\sum_{{k=1}}^{{{text}}} k'):
    for kind in ('answer', 'response'):
      assert not grader.grade('3', pred, kind).correct
      assert not grader.grade(pred, '3', kind).correct
  grader.classes([text, '3', 'import os', f'{text} < x'])
  assert not list(tmp_path.iterdir())


def test_shared_evil_cases_return_in_time(grader):
  cases = corpus.rows('grader_evil_public.jsonl.gz')
  if cases is None:
    pytest.skip('the shared cases are not here')
  for case in cases:
    start = time.monotonic()
    verdict = grader.grade(case['gold'], case['pred'], case['kind'])
    assert time.monotonic() - start < case['max_seconds'], case['name']
    if case['expected'] is not None:
      assert verdict.correct == bool(case['expected']), case['name']
