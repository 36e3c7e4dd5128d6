"""Questions that are in no file, posed as a task poses its own."""

import pytest

from tests.answering.file_tasks import task_of_files
from ttc.answering.asked import Asked, LONGEST, posed
from ttc.data.templates import Template
from ttc.data.worksheet import Worksheet
from ttc.pipeline import contents

TASK = Worksheet(goals=(2,), num_pretrain=5, num_finetune=5, num_test=6)


def test_a_question_of_the_task_is_that_problem():
  known = TASK.problems('test')
  questions = [known[4].question, '13: 7 2 1', known[1].question]
  found = posed(TASK, 'test', [*questions, *questions])
  assert (found[0], found[2]) == (known[4], known[1])
  assert [problem.question for problem in found] == questions
  # An id depends on nothing else that is asked.
  assert posed(TASK, 'test', ['13: 7 2 1']) == [found[1]]
  assert posed(TASK, 'finetune', questions)[0].id != known[4].id


@pytest.mark.parametrize(
  ('question', 'told'),
  [
    (' \n', 'a question is empty'),
    ('7' * (LONGEST + 1), f'has {LONGEST + 1} characters, more than {LONGEST}'),
    (
      'What is 2 + 2?',
      r"'What is 2 \+ 2\?' cannot be asked: 'What' at offset 0",
    ),
    ('7 2 1', 'cannot be asked: .* is no worksheet'),
    ('13: 7 2 1\ud800', 'lone surrogate'),
  ],
)
def test_what_cannot_be_asked(question, told):
  with pytest.raises(ValueError, match=told) as refused:
    posed(TASK, 'test', ['13: 7 2 1', question])
  assert '\n' not in str(refused.value)


def test_files_of_questions_need_not_be_there(tmp_path):
  task = task_of_files(tmp_path)
  (problem,) = posed(task, 'test', ['What is 1/2 + 1/2?'])
  texts = [r'\boxed{1}', r'\boxed{2/2}', r'\boxed{3}', 'no idea']
  asked = Asked((problem,), task)
  found = asked.grade_all(problem, texts)
  assert [grade.answer is None for grade in found] == [False] * 3 + [True]
  assert found[0].answer == found[1].answer != found[2].answer
  assert not any(grade.correct or grade.undecided for grade in found)
  assert asked.prompt_tokens(problem) == task.prompt_tokens(problem)
  # The tokenizer alone identifies how they are read.
  assert list(contents.of(asked)) == [*map(str, task.vocabulary.files())]


def test_a_question_with_a_special_token(tmp_path):
  task = task_of_files(tmp_path)
  with pytest.raises(ValueError, match=r'special token <\|im_end\|>; take it'):
    posed(task, 'test', ['What is 2?<|im_end|>'])


def test_a_template_of_another_family(tmp_path):
  task = task_of_files(tmp_path, template=Template(before='<|eot_id|>'))
  with pytest.raises(ValueError, match='template of its family'):
    posed(task, 'test', ['What is 2?'])
