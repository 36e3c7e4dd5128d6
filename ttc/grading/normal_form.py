"""Tables of how LaTeX, Unicode and plain text spell the same things."""

OPEN_WORD, CLOSE_WORD, AND, OR = '⟦', '⟧', '∧', '∨'

_FUNCTIONS = """
sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log lg exp
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())

UNICODE = str.maketrans(
  {
    '−': '-',
    '–': '-',
    '—': '-',
    '‐': '-',
    '×': '*',
    '·': '*',
    '⋅': '*',
    '∙': '*',
    '÷': '/',
    '∕': '/',
    '⁄': '/',
    '√': r'\sqrt ',
    'π': r'\pi ',
    '∞': r'\infty ',
    '°': r'^{\circ}',
    '≤': r'\le ',
    '⩽': r'\le ',
    '≥': r'\ge ',
    '⩾': r'\ge ',
    '≠': r'\ne ',
    '≈': r'\approx ',
    '±': r'\pm ',
    '∓': r'\mp ',
    '∪': r'\cup ',
    '∩': r'\cap ',
    '∈': r'\in ',
    '∅': r'\emptyset ',
    'ℝ': r'\reals ',
    '∑': r'\sum ',
    '∫': r'\int ',
    '⟨': r'\langle ',
    '⟩': r'\rangle ',
    '½': r'\frac{1}{2}',
    '⅓': r'\frac{1}{3}',
    '⅔': r'\frac{2}{3}',
    '¼': r'\frac{1}{4}',
    '¾': r'\frac{3}{4}',
    '′': "'",
    '’': "'",
    '€': '',
    '£': '',
    '¥': '',
    **dict.fromkeys(f'{OPEN_WORD}{CLOSE_WORD}\u200b\u2061\u2062\ufeff'),
  }
)
GREEK = 'alpha beta gamma delta epsilon zeta eta theta lambda mu rho sigma phi'
UNICODE.update(
  {
    ord(c): f'\\{n} '
    for c, n in zip('αβγδεζηθλμρσφ', GREEK.split(), strict=True)
  }
)

RENAMED = {
  **dict.fromkeys(('dfrac', 'tfrac', 'cfrac', 'nicefrac', 'sfrac'), r'\frac'),
  **dict.fromkeys(('dbinom', 'tbinom'), r'\binom'),
  **dict.fromkeys(('leq', 'leqslant', 'le'), r'\le '),
  **dict.fromkeys(('geq', 'geqslant', 'ge'), r'\ge '),
  **dict.fromkeys(('neq', 'ne'), r'\ne '),
  **dict.fromkeys(('times', 'cdot', 'ast', 'cdotp'), '*'),
  **dict.fromkeys(('vert', 'lvert', 'rvert', 'mid'), '|'),
  **dict.fromkeys(('approxeq', 'simeq', 'thickapprox'), r'\approx '),
  **dict.fromkeys(('land', 'wedge'), AND),
  **dict.fromkeys(('lor', 'vee'), OR),
  **dict.fromkeys(('varnothing', 'empty'), r'\emptyset '),
  **dict.fromkeys(('R', 'Reals'), r'\reals '),
  **dict.fromkeys(('dots', 'cdots', 'dotsc', 'dotsb'), r'\ldots '),
  'lt': '<',
  'gt': '>',
  'div': '/',
  'colon': ':',
  'lbrace': r'\{',
  'rbrace': r'\}',
  'lbrack': '[',
  'rbrack': ']',
  'degree': r'^{\circ}',
  'infin': r'\infty ',
  'iff': ',',
  'newline': r'\\',
  'bigcup': r'\cup ',
  'overbar': r'\overline',
  'bar': r'\overline',
  'dot': r'\overline',
}
SUPERSCRIPTS, SUBSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹⁻', '₀₁₂₃₄₅₆₇₈₉₋'
SCRIPT_DIGITS = str.maketrans(SUPERSCRIPTS + SUBSCRIPTS, '0123456789-' * 2)
_IGNORED = """
quad qquad thinspace enspace medspace space displaystyle textstyle
scriptstyle limits nolimits left right middle big Big bigg Bigg bigl bigr
Bigl Bigr biggl biggr Biggl Biggr rm bf it sf tt cal mathstrut strut
nonumber notag boldmath hfill centering mathrm mathbf mathit mathsf text
textbf textit mbox operatorname boldsymbol phantom hphantom vphantom
"""
IGNORED = frozenset(_IGNORED.split())
SYMBOLS = {
  '!': '',
  '$': '',
  '%': '%',
  '_': '_',
  '&': '&',
  '#': '#',
  '{': r'\{',
  '}': r'\}',
  '\\': '\\\\',
  '|': '|',
}
NAMES = {
  'and': AND,
  'or': OR,
  'sqrt': r'\sqrt ',
  'pi': r'\pi ',
  'infinity': r'\infty ',
  'infty': r'\infty ',
  'inf': r'\infty ',
  'oo': r'\infty ',
  **{name: f'\\{name} ' for name in FUNCTIONS},
}
# Runs of two or three letters are products (ab, xyz) unless they stand here.
_SHORT = """
no yes odd red all one two six ten day men the of am pm cm mm km
ft in kg mg lb lbs oz hr hrs min sec mph kph sq cu per mi yd dm ml nm usd
mon tue wed thu fri sat sun none dne deg rad cup box
"""
SHORT_WORDS = frozenset(_SHORT.split())
