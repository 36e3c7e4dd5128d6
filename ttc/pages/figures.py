"""Figures on a page, a panel at a time, so that their letters can be read."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
import urllib.parse

from ttc.runtime.canonical_json import canonical
from ttc.runtime.safe_text import as_html

# What stands for itself in the address of an image, in an attribute.
_PLAIN = " !$'()*+,-./:;<=>?@[]^_`{|}~"

_UNCERTAINTY = (
  'Bands and whiskers are 95 % intervals of one bootstrap over questions, and '
  'over seeds where there are several; choices of a policy are made again in '
  'every draw. All curves share its draws, so whether two differ is told by '
  'their difference, paired over questions at equal generations: choose what '
  'to compare with above a chart. Bands that overlap decide nothing. Losses '
  'have no bands.'
)


class Drawing(NamedTuple):
  """A panel that was drawn.

  Attributes:
    title: of the panel.
    svg: the image.
    files: names of its files in the folder of figures, by their kind.
  """

  title: str
  svg: bytes
  files: Mapping[str, str]


def html(
  figures: Sequence[Mapping[str, Any]],
  drawings: Mapping[str, Sequence[Drawing]],
  left_out: Mapping[str, str],
) -> str:
  """All figures, and those that are left out.

  Args:
    figures: of summary.json.
    drawings: their panels, by id.
    left_out: missing inputs by the id of the figure that needs them.
  """
  return '\n'.join(
    [
      f'<p class="note">{_UNCERTAINTY}</p>',
      *(_figure(f, drawings[f['id']]) for f in figures),
      _left_out(left_out),
      _data(figures),
    ]
  )


def _data(figures: Sequence[Mapping[str, Any]]) -> str:
  """The numbers of all panels, for the script that draws charts of them."""
  panels = {f['id']: f['panels'] for f in figures}
  # No text in it can end the element: '<' is the only character to fear there.
  text = canonical(panels).replace('<', '\\u003c')
  return f'<script type="application/json" id="figure-data">{text}</script>'


def _figure(figure: Mapping[str, Any], panels: Sequence[Drawing]) -> str:
  name = as_html(figure['id'])
  images = ''.join(_panel(name, i, panel) for i, panel in enumerate(panels))
  whole = ' '.join(
    f'<a href="figures/{name}.{kind}">{kind.upper()}</a>'
    for kind in ('svg', 'png')
  )
  return (
    f'<figure id="figure-{name}"><h3>{as_html(figure["title"])}</h3>'
    f'<div class="panels">{images}</div>'
    f'<figcaption>{as_html(figure["caption"])} Whole figure: {whole}'
    '</figcaption></figure>'
  )


def _panel(figure: str, place: int, panel: Drawing) -> str:
  """An image, in which browsers run no scripts."""
  links = ' '.join(
    f'<a href="figures/{as_html(file)}">{kind}</a>'
    for kind, file in panel.files.items()
  )
  return (
    f'<div class="panel" data-figure="{figure}" data-panel="{place}">'
    f'<img loading="lazy" alt="{as_html(panel.title)}" '
    f'src="{_address(panel.svg)}">{links}</div>'
  )


def _address(svg: bytes) -> str:
  """The image as an address, a quarter shorter than in base 64."""
  # White space is all the same between numbers and tags, and ' as good as ".
  text = ' '.join(svg.decode().replace('"', "'").split())
  return f'data:image/svg+xml,{urllib.parse.quote(text, safe=_PLAIN)}'


def _left_out(left_out: Mapping[str, str]) -> str:
  if not left_out:
    return ''
  items = ''.join(
    f'<li>{as_html(name)}: needs {as_html(why)}</li>'
    for name, why in left_out.items()
  )
  return f'<p>Figures left out:</p><ul class="lefts">{items}</ul>'
