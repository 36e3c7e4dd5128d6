import dataclasses
import json

import numpy as np
import pytest

from tests.data import toys
from ttc.data.jsonl import Rows
from ttc.data.problems import Grade, Problem
from ttc.data.questions import Questions
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer
from ttc.grading.grader import Grader
from ttc.pipeline import fingerprint

CHATML = Template(
  before='<|im_start|>system\nBox it.<|im_end|>\n',
  turn='<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n',
  after='<|im_end|>\n',
)
PROBLEM = Problem(0, 'What is 1/2?', r'\frac{1}{2}')


@pytest.fixture(scope='module')
def tokenizer(tmp_path_factory):
  folder = tmp_path_factory.mktemp('qwen')
  return Tokenizer(str(toys.qwen(folder)), '<|quad_end|>')


def write(path, questions):
  path.write_text(
    ''.join(
      json.dumps({'question': q, 'answer': a}) + '\n' for q, a in questions
    )
  )
  return Rows(str(path))


@pytest.fixture
def make(tokenizer, tmp_path):
  def make(finetune=(('2+2', '4'),), test=(('1+1', '2'),), **changes):
    given = dict(
      vocabulary=tokenizer,
      template=Template(),
      delimiter='\n',
      workers=0,
      finetune=write(tmp_path / 'finetune.jsonl', finetune),
      test=write(tmp_path / 'test.jsonl', test),
    )
    return Questions(**given | changes)

  return make


def test_splits_are_disjoint_by_question(make):
  rng = np.random.default_rng(0)
  many = [(f'{i} + {i}', str(2 * i)) for i in rng.integers(0, 300, 400)]
  task = make(finetune=many, test=many[:50], pretrain=0.3)
  asked = {
    split: [p.question for p in task.problems(split)]
    for split in ('test', 'finetune', 'pretrain')
  }
  everything = [question for of in asked.values() for question in of]
  assert len(everything) == len(set(everything)) == len(dict(many))
  assert 0.2 < len(asked['pretrain']) / len(everything) < 0.4
  for split, problems in asked.items():
    lost = sum(task.left_out(split).values())
    if split == 'test':
      assert len(problems) + lost == 50
  ids = [p.id for split in asked for p in task.problems(split)]
  assert len(set(ids)) == len(ids)
  whole = make(finetune=many, test=many[:50])
  assert {p.id for p in whole.problems('finetune')} == (
    set(ids) - {p.id for p in task.problems('test')}
  )


def test_what_cannot_be_asked_is_counted(make):
  shots = (('What is 3+3?', 'Add.\n#### 6'),)
  task = make(
    template=Template(shots=shots),
    test=[('1+1', '2'), ('1 + 1', '2')],
    finetune=[
      ('2+2', ' '),
      ('what is  3+3?', '6'),
      ('1+1', '2'),
      ('hi<|im_end|>', '4'),
      ('5+5', r'so \boxed{}'),
      ('6+6', '12'),
    ],
  )
  assert task.left_out('test') == {'asked twice': 1}
  assert task.left_out('finetune') == {
    'no reference answer': 2,
    'a shot of the prompt': 1,
    'asked in the test': 1,
    'spells the special token <|im_end|>': 1,
  }
  assert [p.question for p in task.problems('finetune')] == ['6+6']


def test_no_end_enters_a_prompt_but_those_of_turns(make, tokenizer):
  plain = make(template=Template(shots=(('1', '#### 1'),)))
  ends = set(tokenizer.end_ids)
  for problem in plain.problems('test'):
    assert not ends & set(plain.prompt_tokens(problem))
  chat = make(template=CHATML)
  for problem in chat.problems('test'):
    tokens = chat.prompt_tokens(problem)
    assert sum(token in ends for token in tokens) == 2
    assert tokens[-1] not in ends
    assert tokenizer.decode(tokens) == (
      'system\nBox it.\nuser\n1+1\nassistant\n'
    )


def test_a_template_of_another_family(make):
  template = Template(turn='<start_of_turn>user\n{question}')
  with pytest.raises(ValueError, match='spells <start_of_turn>, which is no'):
    make(template=template).problems('test')


def test_a_template_that_ends_a_solution(make):
  template = Template(turn='{question}<|im_end|>')
  with pytest.raises(ValueError, match=r'ends in <\|im_end\|>'):
    make(template=template).problems('test')


def test_a_tokenizer_that_splits_the_delimiter(make, tmp_path):
  split = Tokenizer(str(toys.llama2(tmp_path / 'llama2')), '<revise>')
  with pytest.raises(ValueError, match='splits the delimiter'):
    make(vocabulary=split, delimiter='\n\n').problems('test')
  assert make(vocabulary=split).problems('test')


def test_shots_must_be_graded_as_attempts_are(make):
  shots = (('1', '#### 1'), ('2', 'It may be 2'))
  with pytest.raises(ValueError, match=r'shot 2 .*found as .number.'):
    make(template=Template(shots=shots))
  make(template=Template(shots=shots), accepted=('marked', 'number'))
  with pytest.raises(ValueError, match='list one or more of'):
    make(accepted=('box',))


def test_a_line_that_is_wrong(make, tmp_path):
  task = make()
  with open(task.finetune.path, 'a') as file:
    file.write('{"question": "x"\n')
  with pytest.raises(ValueError, match=r'finetune\.jsonl: line 2: expected'):
    task.problems('test')


def test_runs_from_before_there_were_choices_go_on(make):
  assert 'Questions.choices' not in fingerprint.bindings(make())
  assert fingerprint.bindings(make(choices='AB'))['Questions.choices'] == 'AB'


def test_equal_answers_vote_together(make):
  task = make()
  texts = [
    r'\boxed{0.5}',
    r'\boxed{\frac12}',
    '#### 1/2',
    r'\boxed{2}',
    'I do not know 7',
    r'\boxed{',
    r'\boxed{x = 2}',
    '',
  ]
  grades = task.grade_all(PROBLEM, texts)
  assert [g.correct for g in grades] == [True] * 3 + [False] * 5
  assert len({g.answer for g in grades[:3]}) == 1
  assert grades[3].answer == grades[6].answer is not None
  assert {g.answer for g in grades[4:6]} == {grades[7].answer} == {None}
  for text, grade in zip(texts, grades, strict=True):
    assert task.grade(PROBLEM, text).correct == grade.correct


def test_names_of_answers_do_not_depend_on_their_order(make):
  task = dataclasses.replace(make(), workers=2)
  answers = [
    'y = x + 1',
    'x - y + 1 = 0',
    r'2\cos^2 x - 1',
    r'\cos 2x',
    '3',
    '3.0',
    r'x^2 - 1',
    '(x-1)(x+1)',
    'nonsense',
    '',
  ]
  texts = [rf'\boxed{{{a}}}' for a in answers]
  rng = np.random.default_rng(0)
  with task._grader as grader:
    classes = grader.classes(answers)
    for _ in range(3):
      order = rng.permutation(len(texts))
      grades = task.grade_all(PROBLEM, [texts[i] for i in order])
      named = {int(i): g.answer for i, g in zip(order, grades, strict=True)}
      assert [named[i] for i in range(len(texts))] == [
        g.answer for g in task.grade_all(PROBLEM, texts)
      ]
      for i in range(len(texts)):
        for j in range(len(texts)):
          assert (named[i] == named[j]) == (classes[i] == classes[j])


def test_a_number_counts_only_where_it_is_accepted(make):
  text = 'It is about 0.5'
  assert make().grade(PROBLEM, text) == Grade(None, False)
  assert make(accepted=('number',)).grade(PROBLEM, text).correct


def test_real_sets(tokenizer):
  if not toys.DATA.exists():
    pytest.skip('no shared data here')
  fields = dict(question='problem', level='level')
  math = Questions(
    tokenizer,
    CHATML,
    Rows(str(toys.DATA / 'math_train_12k.jsonl.gz'), **fields),
    Rows(str(toys.DATA / 'math500_test.jsonl'), **fields),
    workers=0,
  )
  assert len(math.problems('test')) == 500
  assert {p.level for p in math.problems('test')} == {1, 2, 3, 4, 5}
  left_out = math.left_out('finetune')
  assert left_out.pop('no reference answer') == 2
  assert len(math.problems('finetune')) + sum(left_out.values()) == 11_998
  gsm8k = Questions(
    tokenizer,
    CHATML,
    Rows(str(toys.DATA / 'gsm8k_train.jsonl.gz')),
    Rows(str(toys.DATA / 'gsm8k_test.jsonl.gz')),
    workers=0,
  )
  problem = gsm8k.problems('test')[0]
  assert gsm8k.grade(problem, '#### 18').correct
  assert gsm8k.grade(problem, problem.answer).correct
  assert not gsm8k.grade(problem, '#### 17').correct


def test_reference_answers_grade_as_right(tokenizer):
  if not toys.DATA.exists():
    pytest.skip('no shared data here')
  path = str(toys.DATA / 'math500_test.jsonl')
  rows = Rows(path, question='problem', solution='solution').read()
  with Grader(workers=0) as grader:
    verdicts = grader.grade_many(
      (r.answer, r.solution, 'response') for r in rows
    )
  assert all(verdict.correct for verdict in verdicts)
