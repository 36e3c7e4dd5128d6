"""The gin files of tasks: what they read of the data sets that they name."""

import dataclasses
import json
import pathlib
import sys

import pytest

from tests.data import toys
from ttc.cli import configuration
from ttc.data.hub_split import HubSplit
from ttc.models.config import TransformerConfig
from ttc.pipeline.experiment import ConfigurationError

# A row with the fields that each data set has.
AIME_2024 = {
  'id': 60,
  'problem': 'How many?',
  'solution': r'So \boxed{204}.',
  'answer': '204',
  'url': 'https://example.org',
  'year': '2024',
}
AIME_2025 = {'problem': 'How many?', 'answer': '70', 'id': '0'}
AMC = {'id': 0, 'question': 'How many?', 'answer': 27.0, 'url': ''}
OLYMPIAD = {
  'id': 1606,
  'question': 'How many?',
  'solution': ['So it is.', 'Or so.'],
  'final_answer': ['2', '-1'],
  'context': None,
  'image_1': None,
  'modality': 'Text-only',
  'is_multiple_answer': True,
  'answer_type': 'Numerical',
  'error': None,
}
MATH = {
  'problem': 'How many?',
  'solution': r'So \boxed{7}.',
  'answer': '7',
  'subject': 'Algebra',
  'level': 2,
  'unique_id': 'test/algebra/1.json',
}
GPQA = {
  'Question': 'How many?',
  'Correct Answer': 'two',
  'Incorrect Answer 1': 'nine',
  'Incorrect Answer 2': 'eight',
  'Incorrect Answer 3': 'seven',
  'Record ID': 'rec0',
}


@pytest.fixture
def load(tmp_path):
  """Loads a task's file after first_look.gin, as a user gives them."""
  folder = toys.qwen(tmp_path / 'small')
  about = {
    'head': 'logits',
    'config': dataclasses.asdict(TransformerConfig(400, 1, 8, 2, 1, 4, 16)),
  }
  (folder / 'model.json').write_text(json.dumps(about))

  def load(name, *bindings, check=True):
    files = ('gin/experiments/first_look.gin', f'gin/tasks/{name}.gin')
    given = (f"SMALL='{folder}'", 'QUESTIONS=2', *bindings)
    experiment, _ = configuration.load(
      (*files, 'gin/templates/qwen.gin'), given, check=check
    )
    return experiment.stages[0].solver.task

  return load


def lines(path, row, count=3):
  name = 'Question' if 'Question' in row else 'problem'
  name = name if name in row else 'question'
  rows = [row | {name: f'{row[name]} {i}'} for i in range(count)]
  path.write_text(''.join(f'{json.dumps(row)}\n' for row in rows))
  return f"'{path}'"


@pytest.mark.parametrize(
  ('name', 'row', 'split', 'answer', 'level'),
  [
    (
      'aime_2024',
      AIME_2024,
      HubSplit('HuggingFaceH4/aime_2024', split='train'),
      '204',
      None,
    ),
    ('aime_2025', AIME_2025, HubSplit('math-ai/aime25'), '70', None),
    ('amc_2023', AMC, HubSplit('math-ai/amc23'), '27.0', None),
    (
      'olympiad_bench',
      OLYMPIAD,
      HubSplit('Hothan/OlympiadBench', 'OE_TO_maths_en_COMP', 'train'),
      '2, -1',
      None,
    ),
    ('math_500', MATH, HubSplit('HuggingFaceH4/MATH-500'), '7', 2),
  ],
)
def test_questions_and_answers_of_a_task(
  load, tmp_path, name, row, split, answer, level
):
  assert load(name, check=False).test.path == split
  task = load(name, f'TEST_FILE={lines(tmp_path / "a.jsonl", row)}')
  problems = task.problems('test')
  assert [p.question for p in problems] == [f'How many? {i}' for i in range(3)]
  assert {(p.answer, p.level) for p in problems} == {(answer, level)}
  assert task.problems('finetune') == task.problems('pretrain') == []
  assert task.grade(problems[0], rf'\boxed{{{answer}}}').correct
  assert not task.grade(problems[0], r'\boxed{-5}').correct


def test_gsm8k_after_another_task(load, tmp_path):
  row = {'question': 'How many?', 'answer': 'We add.\n#### 1,024'}
  files = [lines(tmp_path / f'{name}.jsonl', row, 3) for name in 'ab']
  given = (f'TEST_FILE={files[0]}', f'FINETUNE_FILE={files[1]}')
  (problem, *_) = load('gsm8k', *given).problems('test')
  assert load('gsm8k', *given).grade(problem, r'\boxed{1024}').correct


def test_gpqa_is_graded_by_letters(load, tmp_path):
  split = HubSplit('Idavidrein/gpqa', 'gpqa_diamond', 'train')
  assert load('gpqa_diamond', check=False).test.path == split
  file = lines(tmp_path / 'a.jsonl', GPQA, 12)
  task = load('gpqa_diamond', f'TEST_FILE={file}')
  problems = task.problems('test')
  assert len({p.answer for p in problems}) > 1
  for problem in problems:
    assert f'\n({problem.answer}) two\n' in problem.question
    assert task.grade(problem, rf'\boxed{{{problem.answer}}}').correct
    assert not task.grade(problem, r'\boxed{two}').correct
  other = load('gpqa_diamond', f'TEST_FILE={file}', 'ChoiceRows.seed=1')
  assert [p.question for p in other.problems('test')] != [
    p.question for p in problems
  ]


def test_a_file_to_learn_from_beside_a_task(load, tmp_path):
  task = load(
    'aime_2025',
    f'TEST_FILE={lines(tmp_path / "a.jsonl", AIME_2025)}',
    f'FINETUNE_FILE={lines(tmp_path / "b.jsonl", MATH, 5)}',
    'Questions.finetune=@finetune/Rows()',
  )
  assert len(task.problems('test')) == 3
  # Three of the five are asked in the test.
  assert len(task.problems('finetune')) == 2
  assert {p.level for p in task.problems('finetune')} == {2}


def test_a_task_without_its_data_tells_what_to_do_in_one_line(
  load, monkeypatch, tmp_path
):
  monkeypatch.setitem(sys.modules, 'datasets', None)
  with pytest.raises(ConfigurationError) as told:
    load('aime_2024')
  assert 'run pip install datasets' in str(told.value)
  assert '\n' not in str(told.value)


def test_every_task_of_the_hub_is_tested_above():
  folder = pathlib.Path(__file__).parents[2] / 'gin' / 'tasks'
  named = {
    path.stem
    for path in folder.glob('*.gin')
    if "include 'gin/tasks/hub.gin'" in path.read_text(encoding='utf-8')
  }
  assert named == {
    *('aime_2024', 'aime_2025', 'amc_2023', 'olympiad_bench', 'math_500'),
    'gpqa_diamond',
  }
