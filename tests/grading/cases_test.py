"""Accuracy on the real cases, where the shared files are at hand."""

import pytest

from tests.grading import corpus


def _shared(name):
  rows = corpus.rows(name)
  if rows is None:
    pytest.skip('the shared cases are not here')
  return rows


def _wrong(grader, rows, tier):
  return [
    row['id']
    for row in rows
    if row['tier'] == tier
    and grader.grade(row['gold'], row['pred'], row['kind']).correct
    != bool(row['expected'])
  ]


@pytest.mark.parametrize('tier', ['must', 'should', 'extract'])
def test_public_cases(grader, tier):
  rows = _shared('grader_cases_public.jsonl')
  assert _wrong(grader, rows, tier) == []


def test_broken_answers_only_have_to_return(grader):
  rows = _shared('grader_cases_public.jsonl')
  broken = [row for row in rows if row['tier'] == 'nocrash']
  assert broken
  for row in broken:
    grader.grade(row['gold'], row['pred'], row['kind'])


def test_labels_of_published_model_solutions(grader):
  rows = _shared('gsm8k_example_model_solutions.jsonl.gz')
  models = [key for key in rows[0] if isinstance(rows[0][key], dict)]
  verdicts = grader.grade_many(
    (row['ground_truth'].rsplit('A:', 1)[1], row[model]['solution'], 'response')
    for row in rows
    for model in models
  )
  labels = [row[model]['is_correct'] for row in rows for model in models]
  assert len(labels) == 4 * 1319
  assert [verdict.correct for verdict in verdicts] == labels


def test_reference_solutions_give_their_answers(grader):
  rows = _shared('math500_test.jsonl')
  for row in rows:
    found = grader.extract(row['solution'], 'response')
    assert (found.answer, found.how) == (row['answer'], 'boxed')
    assert grader.grade(row['answer'], row['solution'], 'response').correct


def test_voting_on_all_reference_answers_joins_only_equal_values(grader):
  rows = _shared('math500_test.jsonl')
  answers = sorted({row['answer'] for row in rows})
  numbers = grader.classes(answers)
  by_class = {}
  for answer, number in zip(answers, numbers, strict=True):
    by_class.setdefault(number, []).append(answer)
  for members in by_class.values():
    for answer in members[1:]:
      assert grader.grade(members[0], answer).correct, (members[0], answer)
