"""The first answers of a model, for whoever has to see whether they make sense.

Whether a template fits a model, and whether attempts have room to end, is seen
in one answer, and in none of the numbers that come later.
"""

from collections.abc import Callable, Mapping, Sequence
import textwrap

_SHOWN = 1200  # characters of a prompt, its last ones, and of an answer


def text(
  label: str,
  asked: Sequence[Mapping],
  prompt: Callable[[int], str],
  chosen: bool = True,
) -> str:
  """Shares of the answers; the first one where they, or the template, need it.

  Args:
    label: of the stage that sampled.
    asked: records of its first questions.
    prompt: the prompt of a question by its id.
    chosen: whether the template was chosen for the model.

  Returns:
    One line, and where no template was chosen or over half of the answers
    cannot be parsed, the first prompt, its first answer and what to change.
  """
  rows = [row for record in asked for row in record['rows']]
  if not rows:
    return f'{label}: none of the first {len(asked)} questions was asked'
  unparsable = [row for row in rows if row['answer'] is None]
  share = lambda part: f'{100 * len(part) / len(rows):.1f}%'
  lines = [
    f'{label}: of the first {len(rows)} answers '
    f'{share([r for r in rows if r["correct"]])} right, '
    f'{share([r for r in rows if r["truncated"]])} cut short, '
    f'{share(unparsable)} that cannot be parsed'
  ]
  many = 2 * len(unparsable) > len(rows)
  if chosen and not many:
    return lines[0]
  first = next(record for record in asked if record['rows'])
  lines += [
    'The first prompt ends:',
    _indented(prompt(first['problem'])[-_SHOWN:]),
    'Its first answer begins:',
    _indented(first['rows'][0]['text'][:_SHOWN]),
  ]
  if not chosen:
    lines.append(
      'No template was chosen, so the question stands in a plain one; give the '
      "model's, such as --gin_file=gin/templates/qwen.gin."
    )
  if many:
    cut = [row for row in unparsable if row['truncated']]
    lines.append(
      f'warning: {share(unparsable)} of the answers cannot be parsed'
      + (
        f', {share(cut)} were cut short; raise Generation.max_tokens, or '
        if 2 * len(cut) > len(unparsable)
        else '; '
      )
      + 'choose a template that fits the model (gin/templates/) and forms of '
      'answers that it gives (Questions.accepted).'
    )
  return '\n'.join(lines)


def _indented(shown: str) -> str:
  return textwrap.indent(shown, '  | ', lambda line: True)
