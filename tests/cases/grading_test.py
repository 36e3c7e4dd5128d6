"""Cases from public reports about graders, and others of their kinds.

The sources are the reports that the cases follow; `probe` are variations.
"""

from fractions import Fraction
import json
import math
import random

import pytest

from ttc.cli import main
from ttc.grading.grader import Grader

_TINY = 'Math-Verify#14'
_ROOTS = 'Math-Verify#64'
_ODD = 'Math-Verify#2'
_NUMBERS = 'json.dumps'


@pytest.fixture(scope='module')
def grader():
  with Grader(workers=2) as grader:
    yield grader


def _cases(source, *cases):
  return [
    pytest.param(*case, id=f'{source} {case[0]} | {case[1]}') for case in cases
  ]


def _checked(grader, gold, pred, expected):
  assert grader.grade(gold, pred).correct is expected
  assert grader.grade(pred, gold).correct is expected


@pytest.mark.parametrize(
  ('gold', 'pred'),
  _cases(
    _TINY,
    (r'\frac{1}{1997!}', r'\frac{1}{1999!}'),
    (r'\frac{1}{3^{120}}', r'\frac{1}{3^{121}}'),
    (r'\frac{1}{500!}', r'\frac{2}{500!}'),
    (r'\frac{1}{350!}', r'\frac{1}{351!}'),
    (r'\frac{1}{350!}', '0'),
    (r'1-\frac{1}{2025!}', '1'),
    (r'1-\frac{1}{2025!}', r'1-\frac{1}{2024!}'),
    (r'1-\frac{1}{2025!}', r'1-\frac{1}{2026!}'),
    (r'1-\frac{1}{301!}', r'1-\frac{1}{302!}'),
    (r'1-\frac{1}{100!}', r'1-\frac{1}{101!}'),
    (r'2-\frac{1}{2^{20000}}', r'2-\frac{1}{2^{20001}}'),
    ('2025!+1', '2025!-1'),
    ('400!', '400! + 1'),
    ('2^{20000}', '2^{20000}+1'),
    (r'\frac{1}{2^{20000}}', r'\frac{1}{2^{20001}}'),
    ('2^{-20000}', '2^{-20001}'),
    (r'\frac{1}{2^{2025^2}}', r'\frac{1}{2^{2024^2}}'),
    ('e^{-2000}', 'e^{-2001}'),
    (r'\frac{1}{5^{6000}}', r'\frac{1}{5^{5999}}'),
    (r'2^{-5000}\pi', r'2^{-5001}\pi'),
    (r'\left(\frac{1}{2}\right)^{20000}', r'\left(\frac{1}{2}\right)^{19999}'),
    ('(0.5)^{20000}', '(0.25)^{20000}'),
    (r'1+\frac{1}{400!}', r'1-\frac{1}{400!}'),
    ('n!', '(n+1)!'),
  )
  + _cases(
    'probe',
    ('1e-20000', '1e-20001'),
    ('10^{-400}', '10^{-401}'),
    ('1.' + '0' * 40 + '1', '1'),
    ('2^{2^{20}}', '2^{2^{20}}+1'),
    (r'\frac{7^{7^7}}{7^{7^7}+1}', '1'),
    ('(1-2^{-20000})(1+2^{-20000})', '1'),
    (r'\frac{1+\sqrt2}{2^{30000}}', r'\frac{1+\sqrt2}{2^{30001}}'),
    (r'|1-2^{20000}|', '2^{20000}-2'),
    (r'(1+\sqrt2)^{-500}', r'(\sqrt2-1)^{501}'),
    (r'\pi^{-20000}', r'\pi^{-20001}'),
    (r'(\sin 1)^{9000}', r'(\sin 1)^{9001}'),
    (r'\cos(10^{-20})', '1'),
    (r'\tanh 50', '1'),
    (r'\frac{x}{x+2^{-20000}}', r'\frac{x}{x+2^{-20001}}'),
    (r'|0.02|', r'|0.02+3^{-9000}|'),
    (r'\ln(3-0.06^{263})', r'\ln(3-0.06^{264})'),
    (r'\sum_{k=1}^{2} k(4-0.03^{560})', r'\sum_{k=1}^{2} k(4-0.11^{696})'),
    (r'\tanh 500', '2'),
    (r'\sin\frac{1}{500!}', r'\sin\frac{2}{500!}'),
    (r'\sqrt{1+\frac{1}{400!}}', '2'),
    (r'\sqrt{1+10^{-20}}', r'1+\frac{1}{2}10^{-20}'),
    (r'\binom{5000}{2500}', r'\binom{5000}{2501}'),
    (r'\sum_{k=1}^{3} k + 10^{-30}', '6'),
    (r'\sum_{k=1}^{3} \frac{1}{500!}', '0'),
    (r'\int_0^1 \sin x\,dx + \frac{1}{400!}', r'1-\cos 1'),
    (r'\{x : x < 2^{-20000}\}', r'\{x : x < 2^{-20001}\}'),
  ),
)
def test_close_and_tiny_numbers_are_different(grader, gold, pred):
  _checked(grader, gold, pred, expected=False)
  assert grader.classes([gold, pred]) == [0, 1]


@pytest.mark.parametrize(
  'form',
  [
    *('{}, 3', '3, {}', r'\{{1, {}\}}', '({}, 1)', '[0, {})', 'x = {}', '{}x'),
    *(r'{}\text{{ cm}}', r'{}\%', 'y - x = {}', 'y < {}x', 'x > {}', '1:{}'),
    *(r'\frac{{1}}{{n}} + {}', r'x\sqrt{{y}} - {}', r'{}\sin x', '{} + 3i'),
    *(r'\begin{{pmatrix}}1\\{}\end{{pmatrix}}', r'\frac{{{}}}{{x+1}}'),
    *(r'1 \text{{ or }} {}', r'3 \pm {}', r'\frac{{1}}{{x+1}} + {}'),
  ],
)
def test_close_numbers_differ_in_lists_and_beside_symbols(grader, form):
  for a, b in [
    (r'\frac{1}{400!}', r'\frac{2}{400!}'),
    ('2^{-20000}', '3^{-9}'),
  ]:
    a, b = form.format(a), form.format(b)
    assert grader.grade(a, b).reason == 'different'
    assert grader.grade(a, a.replace('400!', '399! \\cdot 400')).correct
    assert grader.classes([a, b, a]) == [0, 1, 0]


@pytest.mark.parametrize(
  ('gold', 'pred'),
  _cases(
    _TINY,
    (
      r'\frac{3^{1005}+1}{2 \cdot 3^{1006}}',
      r'\frac{1}{6}+\frac{1}{2 \cdot 3^{1006}}',
    ),
    (r'\frac{1}{1001!}-\frac{1}{1002!}', r'\frac{1001}{1002!}'),
    (r'\frac{2025!}{2023!}', r'2025\cdot 2024'),
    ('2025!', r'2024! \cdot 2025'),
  )
  + _cases(
    'probe',
    (r'\binom{5000}{2500}', r'\frac{5000!}{2500!^2}'),
    (r'\sqrt{2^{20001}}', r'2^{10000}\sqrt2'),
    (r'\ln(2^{20000})', r'20000\ln 2'),
    ('(1-2^{-20000})(1+2^{-20000})', '1-2^{-40000}'),
    (r'\frac{2^{30000}}{1+\sqrt2}', r'2^{30000}(\sqrt2-1)'),
    (r'\frac{7^{7^7}-1}{7^{7^7}}', '1-7^{-7^7}'),
    ('2^{20000}x < 1', '2^{20001}x < 2'),
    ('e^{-800}e^{790}', 'e^{-10}'),
    ('1e-20000', '10^{-20000}'),
    (r'\sin\pi', '0'),
    ('(x+1)^{200}', '(1+x)^{200}'),
    (r'\frac{x}{x+2^{-20000}}', r'\frac{2^{20000}x}{2^{20000}x+1}'),
  ),
)
def test_large_and_tiny_numbers_are_known_in_other_forms(grader, gold, pred):
  _checked(grader, gold, pred, expected=True)


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    (r'\sqrt{1+\frac{1}{400!}}', '1'),
    (r'\cos\frac{1}{500!}', r'\cos\frac{2}{500!}'),
    (r'e^{1/2025!}', '1'),
    (r'\tanh 500', '1'),
    (r'\sin x = 2^{-20000}', r'\sin x = 2^{-20001}'),
  ],
)
def test_what_our_digits_do_not_tell_is_unsure_and_no_vote(grader, gold, pred):
  assert grader.grade(gold, pred).reason == 'unsure'
  assert grader.classes([gold, pred]) == [0, 1]


def test_what_is_unsure_is_counted_apart(tmp_path, capsys):
  source, target = tmp_path / 'answers.jsonl', tmp_path / 'graded.jsonl'
  rows = [{'gold': r'e^{1/2025!}', 'pred': pred} for pred in ('1', '2')]
  source.write_text(''.join(f'{json.dumps(row)}\n' for row in rows))
  arguments = ['grade', f'--input={source}', f'--output={target}']
  assert main.main([*arguments, '--workers=1']) == 0
  graded = map(json.loads, target.read_text().splitlines())
  assert [row['reason'] for row in graded] == ['unsure', 'different']
  told = capsys.readouterr().out.splitlines()
  assert ['unsure', '1'] in [line.split() for line in told]


def _number(rng):
  """A tiny, huge or close number: its text and its value."""
  n, k = rng.randrange(2, 12), rng.randrange(2, 9)
  power, size = rng.randrange(1, 25_000), rng.randrange(50, 2500)
  text, value = rng.choice(
    [
      (f'{n}^{{{power // 4}}}', Fraction(n ** (power // 4))),
      (f'{n}^{{-{power // 4}}}', Fraction(1, n ** (power // 4))),
      (f'2^{{-{power}}}', Fraction(1, 2**power)),
      (rf'\frac{{{k}}}{{{size}!}}', Fraction(k, math.factorial(size))),
      (f'{size}!', Fraction(math.factorial(size))),
      (f'(0.{n:02})^{{{size}}}', Fraction(n, 100) ** size),
      (f'{n}.0e-{size}', n * Fraction(1, 10**size)),
      (f'0.{"0" * (size % 300)}{n}', Fraction(f'0.{"0" * (size % 300)}{n}')),
    ]
  )
  match rng.randrange(4):
    case 0:
      return f'{k} - {text}', k - value
    case 1:
      return rf'\frac{{{n}}}{{{k}}} + {text}', Fraction(n, k) + value
    case 2:
      return rf'\frac{{1}}{{{k} + {text}}}', 1 / (k + value)
    case _:
      return text, value


def _respelt(rng, text, value):
  """The same number or one as near as can be, in another spelling."""
  step = rng.choice(
    [
      *(
        (r'\frac{1}{701!}', Fraction(1, math.factorial(701))),
        ('0', Fraction(0)),
      ),
      *(('3^{-9000}', Fraction(1, 3**9000)), ('10^{-30}', Fraction(1, 10**30))),
    ]
  )
  form, near = rng.choice(
    [
      (f'{text} + {step[0]}', value + step[1]),
      (rf'\frac{{2({text}) + {step[0]}}}{{2}}', value + step[1] / 2),
      (rf'({text})(1 + {step[0]})', value * (1 + step[1])),
      (f'{step[0]} - (-({text}))', value + step[1]),
    ]
  )
  return form, near


_FORMS = ('{}', '{}, 1', r'({})\pi', '({}, 2)', '({})x', r'({})\sqrt{{2}} + y')


@pytest.mark.parametrize('seed', range(250))
def test_no_generated_pair_of_close_numbers_is_accepted(grader, seed):
  rng = random.Random(seed)
  a, x = _number(rng)
  b, y = _respelt(rng, a, x) if rng.random() < 0.8 else _number(rng)
  form = rng.choice(_FORMS)
  a, b = form.format(a), form.format(b)
  verdict = grader.grade(a, b)
  assert verdict.reason == ('equal' if x == y else 'different')
  assert grader.classes([a, b]) == [0, int(x != y)]


def test_votes_on_generated_close_numbers_are_their_values(grader):
  rng = random.Random(0)
  numbers = [_number(rng) for _ in range(60)]
  numbers += [_respelt(rng, *rng.choice(numbers)) for _ in range(140)]
  rng.shuffle(numbers)
  order = {}
  expected = [order.setdefault(value, len(order)) for _, value in numbers]
  assert len(order) < len(numbers)
  assert grader.classes([text for text, _ in numbers]) == expected


@pytest.mark.parametrize(
  ('gold', 'pred'),
  _cases(
    _ROOTS,
    (r'\frac{1}{\sqrt{m}}', r'\sqrt{1/m}'),
    (r'\sqrt{\frac{2}{m}}', r'\frac{\sqrt{2}}{\sqrt{m}}'),
    (r'\sqrt{\frac{2}{m}}', r'\frac{\sqrt{2m}}{m}'),
    (r'\sqrt{ab}', r'\sqrt{a}\sqrt{b}'),
    (r'2\pi\sqrt{L/g}', r'\frac{2\pi\sqrt{L}}{\sqrt g}'),
    (r'\ln\frac{a}{b}', r'\ln a-\ln b'),
    (r'\ln(xy)', r'\ln x + \ln y'),
    (r'\log_2(xy)', r'\log_2 x+\log_2 y'),
    (r'x\sqrt{x}', r'\sqrt{x^3}'),
    (r'\frac{1}{\sqrt{n}}', 'n^{-1/2}'),
    (r'\frac{1}{\sqrt{n}}', r'\frac{\sqrt{n}}{n}'),
    (r'\frac{1}{\sqrt{n+1}}', r'\sqrt{\frac{1}{n+1}}'),
    (r'\sqrt{\frac{n}{n+1}}', r'\frac{\sqrt{n}}{\sqrt{n+1}}'),
    (r'\frac{1}{2\pi}\sqrt{\frac{k}{m}}', r'\frac{\sqrt{k}}{2\pi\sqrt{m}}'),
    ('a^{1/2}b^{1/2}', r'\sqrt{ab}'),
    (r'2\sqrt{2gh}', r'\sqrt{8gh}'),
    (r'v=\sqrt{2gh}', r'v=\sqrt{2}\sqrt{gh}'),
    (r'\sqrt{pq}', r'\sqrt{p}\cdot\sqrt{q}'),
    (r'\log a+\log b', r'\log(ab)'),
    ('|x|', r'\sqrt{x^2}'),
  )
  + _cases(
    'probe',
    (r'\sqrt{x-5}\sqrt{x-7}', r'\sqrt{(x-5)(x-7)}'),
    (r'\sqrt{x-50}\sqrt{x-7}', r'\sqrt{x^2-57x+350}'),
    (r'\sqrt{x}^2', 'x'),
    (r'\log_2 8x', r'3+\log_2 x'),
    (r'\arcsin x+\arccos x', r'\frac{\pi}{2}'),
    (r'\binom{n}{2}', r'\frac{n(n-1)}{2}'),
    (r'e^{ix}', r'\cos x + i\sin x'),
    (r'\sqrt[4]{a^2b^2}', r'\sqrt{|ab|}'),
    (r'\sqrt{abc}', r'\sqrt a\sqrt b\sqrt c'),
    (r'\ln\sqrt{x}', r'\frac12\ln x'),
    (r'\log_y x', r'\frac{\ln x}{\ln y}'),
    (r'\sqrt{\frac{\hbar G}{c^3}}', r'\sqrt{\hbar G}c^{-3/2}'),
  ),
)
def test_roots_and_logarithms_of_symbols_are_taken_where_real(
  grader, gold, pred
):
  _checked(grader, gold, pred, expected=True)
  assert grader.classes([gold, pred]) == [0, 0]


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    (r'\sqrt{x^2}', 'x'),
    (r'\sqrt{x^2y}', r'x\sqrt{y}'),
    (r'\sqrt[4]{x^4}', 'x'),
    (r'\sqrt{(x-1)^2}', 'x-1'),
    (r'\sqrt{(x-50)^2}', 'x-50'),
    (r'\sqrt{(x+50)^2}', 'x+50'),
    (r'\sqrt{a^2b^2}', 'ab'),
    (r'\sqrt{ab}', r'\sqrt a + \sqrt b'),
    (r'\ln(x+y)', r'\ln x+\ln y'),
    (r'x\sqrt{x}', 'x^2'),
    (r'\sqrt{x-5}\sqrt{x-7}', r'\sqrt{(x-5)(x+7)}'),
  ],
)
def test_roots_of_squares_keep_their_sign(grader, gold, pred):
  _checked(grader, gold, pred, expected=False)


@pytest.mark.parametrize(
  ('gold', 'pred'),
  _cases(
    _ODD,
    (
      r'\frac{2(x^2+6)}{(x^2-2)\sqrt[3]{x^2-2}^2}',
      r'\frac{2x^2+12}{(x^2-2)^{5/3}}',
    ),
    (r'\frac{1}{5\sqrt[5]{x}^4}', r'\frac{1}{5x^{4/5}}'),
    (r'(xy)^{1/3}', r'\sqrt[3]{x}\sqrt[3]{y}'),
    (r'\sqrt[3]{x-1}', '(x-1)^{1/3}'),
    (r'\sqrt[3]{(x-1)^2}', '(x-1)^{2/3}'),
    ('(-8)^{1/3}', '-2'),
    (r'\sqrt[3]{-8}', '-2'),
    (r'\frac{1}{\sqrt[3]{x^2-2}}', '(x^2-2)^{-1/3}'),
    (r'\sqrt[3]{1-x^3}', '(1-x^3)^{1/3}'),
    (r'\sqrt[3]{2x-7}', r'\sqrt[3]{2}\cdot\sqrt[3]{x-\frac72}'),
  )
  + _cases(
    'probe',
    ('(-8)^{2/3}', '4'),
    ('(-32)^{-1/5}', r'-\frac12'),
    (r'\sqrt[3]{-2}', r'-\sqrt[3]{2}'),
    (r'\sqrt[3]{x^3}', 'x'),
    (r'\sqrt[11]{-x}', r'-\sqrt[11]{x}'),
    ('(-x)^{0.2}', '-x^{1/5}'),
  ),
)
def test_odd_roots_of_negative_numbers_are_real(grader, gold, pred):
  _checked(grader, gold, pred, expected=True)


@pytest.mark.parametrize(
  ('gold', 'pred'),
  _cases(
    _NUMBERS,
    ('1e-05', '0.00001'),
    ('0.00001', '1e-5'),
    ('2e-07', r'2\times 10^{-7}'),
    ('1.5e-05', '0.000015'),
    ('1e+21', '10^{21}'),
    ('1e+22', '10^{22}'),
    ('-2.5e-07', '-0.00000025'),
    ('1E-5', '0.00001'),
  )
  + _cases(
    'Numeral-js#470',
    ('1e-3', '0.001'),
    ('1e5', '100000'),
    ('2e3', '2000'),
    ('3e8', r'3\times 10^8'),
    ('.5e2', '50'),
    ('1e05', '100000'),
    ('1e0', '1'),
    ('1e−05', '0.00001'),
    ('(1e-3, 2e5)', '(0.001, 200000)'),
    ('1e-05, 2e3', '2000, 0.00001'),
    ('x = 1e-05', '0.00001'),
    ('x < 1e-3', 'x < 0.001'),
    (r'1e-05\text{ cm}', '0.00001'),
    (r'1e-05\%', r'0.00001\%'),
    (r'\pm 1e-5', '0.00001, -0.00001'),
    (r'\frac{1e5}{2}', '50000'),
    ('3e-8 m/s', '0.00000003 m/s'),
  ),
)
def test_numbers_with_exponents_are_numbers(grader, gold, pred):
  _checked(grader, gold, pred, expected=True)


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    ('2e', r'2 \cdot e'),
    ('2e^3', r'2\exp(3)'),
    ('e-5', '-5+e'),
    ('3e + 8', '8 + 3e'),
    ('2 e 3', '6e'),
    ('e^2-2e-1', 'e^2-1-2e'),
    ('e^2+2e+1', '(e+1)^2'),
    ('2e-x', '-x + 2e'),
    ('2e-1+x', 'x+2e-1'),
  ],
)
def test_the_constant_e_keeps_its_meaning(grader, gold, pred):
  _checked(grader, gold, pred, expected=True)


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [('2e3', '6e'), ('1e-5', 'e-5'), ('1e5', '10^6'), ('1e-3', '1e-4')],
)
def test_numbers_with_exponents_are_nothing_else(grader, gold, pred):
  _checked(grader, gold, pred, expected=False)


@pytest.mark.parametrize(
  ('text', 'answer'),
  [
    ('so p = 1e-05.', '1e-05'),
    ('we get 2.5e3 in all', '2.5e3'),
    ('it is about 3E-4, yes', '3E-4'),
    ('The answer is 1e-05.', '1e-05'),
  ],
)
def test_numbers_with_exponents_are_found_in_responses(grader, text, answer):
  assert grader.extract(text, 'response').answer == answer


@pytest.mark.parametrize(
  ('gold', 'pred', 'expected'),
  _cases(
    'Math-Verify#2',
    (r'\frac{5}{12}', '0.4166666666666667', True),
    (r'\frac{2}{3}', '0.6666666666666666', True),
    (r'\frac{2}{3}', '0.6666666666666667', True),
    (r'\frac{100}{3}', '33.333333333333336', True),
    (r'-\frac{5}{12}', '-0.4166666666666667', True),
    (r'\frac{5}{12}', '0.4166666666666668', False),
    (r'\frac{5}{12}', '0.416666667', False),
    (r'\frac{1}{3}', '0.333333333333333', False),
    ('1', '0.9999999999999999', False),
    ('0.4166666666666667', '0.4166666666666666', False),
    (r'\frac{10^{16}+1}{3 \cdot 10^{16}}', '0.3333333333333333', False),
    (r'\sqrt2', '1.4142135623730951', False),
  ),
)
def test_what_computers_print_for_a_fraction(grader, gold, pred, expected):
  _checked(grader, gold, pred, expected)
  assert grader.classes([gold, pred]) == [0, 1]


@pytest.mark.parametrize(
  'end', [r'\boxed{1', r'\boxed{', r'\boxed', r'\boxed{\frac{1}{2}']
)
def test_a_last_box_that_is_cut_short_is_no_answer(grader, end):
  text = rf'First \boxed{{12}}. Then I write {end}'  # after marin#9163
  for kind in ('answer', 'response'):
    assert grader.grade('12', text, kind).reason == 'cut short'
  assert (
    grader.grade('12', r'First \boxed{12}. Finally \boxed{}').answer is None
  )


@pytest.mark.parametrize(
  ('text', 'answer'),
  [
    ('<think>7</think>\n<answer>\n$x^2+1$\n</answer>', '$x^2+1$'),
    ('<answer>73', '73'),  # the end was a stop of the sampler
    ('<answer>The answer is 73.</answer>', '73'),
    ('<answer>They have 73 apples in all, I think.</answer>', '73'),
    (r'\boxed{1} <answer>\frac{3}{7}</answer>', r'\frac{3}{7}'),
    (r'<answer>\boxed{2}</answer>', '2'),
    (r'<answer>1</answer>, so \boxed{2}', '2'),
    ('I write <answer></answer>. The answer is 5.', '5'),
  ],
)
def test_a_tag_holds_the_answer(grader, text, answer):
  """skylight-research#34: the last number in x^2+1 was the answer."""
  assert grader.extract(text, 'response').answer == answer


@pytest.mark.parametrize(
  'end', ['</s>', '<|im_end|>\n', ' <|eot_id|></s>', '<｜end▁of▁sentence｜>']
)
@pytest.mark.parametrize('text', ['The answer is 73.', r'\boxed{73}', '73'])
def test_tokens_that_end_a_turn_are_no_part_of_an_answer(grader, text, end):
  assert grader.extract(text + end, 'response').answer == '73'
  assert grader.grade('73', '73' + end).correct


@pytest.mark.parametrize(
  ('text', 'answer'),
  [
    ('#### The answer is 12.', '12'),
    ('#### 12 answers', '12 answers'),
    ('It is 50%.', '50%'),
    (r'It is 50\% of 8', '8'),
  ],
)
def test_what_stands_at_a_mark_or_last(grader, text, answer):
  assert grader.extract(text, 'response').answer == answer


def test_relations_are_no_tokens_that_end_a_turn(grader):
  assert grader.extract('x <y>', 'answer').answer == 'x <y>'


def test_a_box_around_a_command_without_braces(grader):
  assert grader.grade(r'\frac12', r'So \boxed\frac{1}{2}.', 'response').correct
