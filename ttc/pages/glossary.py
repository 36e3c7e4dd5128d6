"""The words of the page: a list at its end, and links that tell on hover."""

from ttc.runtime.safe_text import as_html

TERMS = {
  'generation': 'One sampled solution, from the question to its end. Budgets '
  'N are counted in generations per question; what is sampled and discarded '
  'counts too.',
  'strategy': 'A way to spend generations on one question, such as best-of-N '
  'or beam search.',
  'arm': 'A strategy with its settings, at the budgets that it was run at.',
  'FLOPs': 'Floating-point operations of the programs that ran: matrix '
  'products and attention at the lengths they had, for the model and its '
  'verifier. Executed counts padding too; useful does not.',
  'verifier': 'A model that gives each step of a solution a value between 0 '
  'and 1: how likely the solution ends right. A PRM reads every step, an ORM '
  'only the end.',
  'best-of-N weighted': 'N independent answers; equal answers add up their '
  'scores, and the largest sum wins.',
  'majority': 'N independent answers; the most frequent one wins.',
  'beam M': 'Search step by step that keeps N / M rows in each round and gives '
  'each M children.',
  'DVTS M': 'Diverse verifier tree search: N / M separate beams, each of which '
  'keeps its best row.',
  'lookahead k': 'Beam search whose values are read k steps further on.',
  'greedy': 'The one answer of most likely tokens, without test-time compute.',
  'control': 'The base model finetuned on its own right answers, without '
  'revisions: what finetuning alone brings.',
  'revisions a:b': 'Chains of revised answers; a turns in a chain for every b '
  'chains.',
  'difficulty bin': 'A fifth of the questions, 1 the easiest. Oracle bins sort '
  'by how often the base model is right, for which gold answers are needed; '
  'predicted bins by what the verifier thinks of its answers.',
  'policy': 'The arm for each difficulty bin and budget. It is judged on '
  'questions that did not choose it.',
  'best uniform arm': 'The one arm for all questions that is best at a budget, '
  'chosen and judged as a policy is.',
  'pass@1': 'The share of single answers that are right.',
  'coverage': 'pass@N: how often any of N answers is right.',
  'interval': '95 % of the bootstrap draws lie in it; all that is compared is '
  'drawn together.',
  'chain': 'Answers to one question in which each sees those before it.',
}


def html() -> str:
  """All terms with their meanings."""
  items = ''.join(
    f'<dt id="{_id(term)}">{as_html(term)}</dt><dd>{as_html(text)}</dd>'
    for term, text in sorted(TERMS.items(), key=lambda item: item[0].lower())
  )
  return f'<dl class="glossary">{items}</dl>'


def links(*terms: str) -> str:
  """A line of links to terms, whose meanings show on hover."""
  found = ' · '.join(
    f'<a href="#{_id(t)}" title="{as_html(TERMS[t])}">{as_html(t)}</a>'
    for t in terms
  )
  return f'<p class="terms">In other words: {found}</p>'


def _id(term: str) -> str:
  return 'term-' + ''.join(c if c.isalnum() else '-' for c in term.lower())
