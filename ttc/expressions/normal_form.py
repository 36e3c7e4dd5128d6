"""Tables of spellings in LaTeX, Unicode and plain text with one meaning."""

OPEN_WORD, CLOSE_WORD, AND, OR = '⟦', '⟧', '∧', '∨'
# A pattern of one word. It stops at the next opening, so that openings without
# an end do not each search all that follows.
WORD = rf'{OPEN_WORD}[^{OPEN_WORD}{CLOSE_WORD}]*+{CLOSE_WORD}'

_FUNCTIONS = """
sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log lg exp
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())


def _pairs(text: str) -> dict[str, str]:
  """Each odd word of a text, and the word after it."""
  words = text.split()
  return dict(zip(words[::2], words[1::2], strict=True))


UNICODE = str.maketrans(
  '−–—‐‑‒×·⋅∙÷∕⁄′’',
  "------****///''",
  f'€£¥¢“”{OPEN_WORD}{CLOSE_WORD}\u200b\u2061\u2062\ufeff',
)
_COMMANDS = """
√ sqrt π pi ∞ infty ≤ le ⩽ le ≥ ge ⩾ ge ≠ ne ≈ approx ± pm ∓ mp ∪ cup ∩ cap ∈ in
∅ emptyset ℝ reals ∑ sum ∫ int ⟨ langle ⟩ rangle α alpha β beta γ gamma δ delta
ε epsilon ζ zeta η eta θ theta λ lambda μ mu ρ rho σ sigma φ phi
"""
UNICODE.update({ord(c): f'\\{name} ' for c, name in _pairs(_COMMANDS).items()})
UNICODE[ord('°')] = r'^{\circ}'
UNICODE.update(
  {
    ord(c): rf'\frac{{{n}}}{{{d}}}'
    for c, n, d in ('½12', '⅓13', '⅔23', '¼14', '¾34')
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
  **dict.fromkeys(('backslash', 'smallsetminus'), r'\setminus '),
  **_pairs(r'lt < gt > div / colon : lbrace \{ rbrace \} lbrack [ rbrack ]'),
  **_pairs(r'degree ^{\circ} iff , newline \\ overbar \overline bar \overline'),
  'infin': r'\infty ',
  'bigcup': r'\cup ',
}
_GREEK_NAMES = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa
lambda mu nu xi rho varrho sigma tau upsilon phi varphi chi psi omega Delta
Gamma Omega Phi Psi Sigma Theta Lambda Xi Upsilon ell hbar
"""
GREEK_NAMES = frozenset(_GREEK_NAMES.split())
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
SYMBOLS = {**_pairs(r'% % _ _ & & # # { \{ } \} \ \\ | |'), '!': '', '$': ''}
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
# Runs of two or three letters are products (ab, xyz) except for these words,
# and for these units after a number.
_SHORT = """
no yes odd red all one two six ten day men the of lbs hrs min sec mph kph per
mon tue wed thu fri sat sun none dne deg rad cup box kmph kbps mbps gbps mmhg
usd sqft cuft
"""
SHORT_WORDS = frozenset(_SHORT.split())
_UNITS = (
  'am pm cm cms mm km kms ft in kg kgs mg lb oz hr yrs sq cu mi yd dm ml nm pts'
)
SHORT_UNITS = frozenset(_UNITS.split())
