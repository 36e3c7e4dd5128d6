import pytest

from ttc.data.templates import Template


def test_shots_come_before_the_question():
  template = Template(
    turn='Q: {question}\nA: ',
    before='Solve.\n',
    after='\n\n',
    shots=(('1+1', '2'), ('2+2', '4')),
  )
  assert template('3+3') == (
    'Solve.\nQ: 1+1\nA: 2\n\nQ: 2+2\nA: 4\n\nQ: 3+3\nA: '
  )


def test_braces_of_a_question_are_text():
  assert Template(turn='{question}: {x}')(r'\frac{1}{2} {question}') == (
    r'\frac{1}{2} {question}: {x}'
  )


@pytest.mark.parametrize('turn', ['Solve.', '{question} {question}'])
def test_a_turn_asks_once(turn):
  with pytest.raises(ValueError, match='write it once'):
    Template(turn=turn)


@pytest.mark.parametrize('shot', [('a',), ('a', ''), ('a', 'b', 'c')])
def test_a_shot_is_a_question_and_its_solution(shot):
  with pytest.raises(ValueError, match='Shot 2'):
    Template(shots=(('a', 'b'), shot))
