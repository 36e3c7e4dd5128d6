"""Pictures that were drawn, alone and side by side, as SVG and as pixels."""

from collections.abc import Sequence
import io
import re
from typing import NamedTuple

import numpy as np

DPI = 160
_POINTS = 72  # per inch
_HEADER = (
  '<?xml version="1.0" encoding="utf-8" standalone="no"?>\n'
  '<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="{0:g}pt" '
  'height="{1:g}pt" viewBox="0 0 {0:g} {1:g}" '
  'xmlns="http://www.w3.org/2000/svg" version="1.1">\n'
)
# Comments; names of groups, which nothing refers to; digits beyond a thousandth
# of a point; indentation.
_NEEDLESS = (
  (re.compile(rb'<!--.*?-->', re.DOTALL), b''),
  (re.compile(rb' id="[A-Za-z.0-9]+_\d+"'), b''),
  (re.compile(rb'(\.\d{3})\d+(?=[ \n"])'), rb'\1'),
  (re.compile(rb'\n\s+'), b'\n'),
)
# What others refer to. Its id is a function of its content.
_NAMED = re.compile(
  rb'<path id="([^"]+)"[^>]*/>|<clipPath id="([^"]+)">.*?</clipPath>',
  re.DOTALL,
)


class Picture(NamedTuple):
  """A picture.

  Attributes:
    width, height: in inches.
    body: the elements of its SVG, in points from its upper left corner.
    pixels: uint8 [height * DPI, width * DPI, 4].
  """

  width: float
  height: float
  body: bytes
  pixels: np.ndarray

  def svg(self) -> bytes:
    """The bytes of an SVG file."""
    size = self.width * _POINTS, self.height * _POINTS
    return _HEADER.format(*size).encode('ascii') + self.body + b'</svg>\n'

  def png(self) -> bytes:
    """The bytes of a PNG file."""
    from matplotlib import image

    file = io.BytesIO()
    image.imsave(
      file, self.pixels, format='png', dpi=DPI, metadata={'Software': None}
    )
    return file.getvalue()


def read(
  svg: bytes, pixels: np.ndarray, width: float, height: float
) -> Picture:
  """The picture of an SVG that matplotlib wrote, without what it can spare."""
  start = svg.index(b'>', svg.index(b'<svg')) + 1
  body = svg[start : svg.rindex(b'</svg>')].lstrip()
  for pattern, instead in _NEEDLESS:
    body = pattern.sub(instead, body)
  return Picture(width, height, body, pixels)


def joined(pictures: Sequence[Picture], columns: int) -> Picture:
  """Pictures side by side, row by row, at the top of their rows."""
  placed, left, top = [], 0.0, 0.0
  for i, picture in enumerate(pictures):
    placed.append((left, top, picture))
    left += picture.width
    if (i + 1) % columns == 0:
      row = pictures[i + 1 - columns : i + 1]
      left, top = 0.0, top + max(p.height for p in row)
  width = max(x + p.width for x, _, p in placed)
  height = max(y + p.height for _, y, p in placed)
  pixels = np.full(
    [round(height * DPI), round(width * DPI), 4], 255, dtype=np.uint8
  )
  body, seen = [], set()
  for x, y, picture in placed:
    own = picture.pixels
    across, down = round(x * DPI), round(y * DPI)
    part = pixels[down : down + len(own), across : across + own.shape[1]]
    part[:] = own[: len(part), : part.shape[1]]
    inner = _NAMED.sub(lambda found: _once(found, seen), picture.body)
    place = f'{x * _POINTS:g} {y * _POINTS:g}'
    body.append(
      b'<g transform="translate(%s)">\n%s</g>\n' % (place.encode(), inner)
    )
  return Picture(width, height, b''.join(body), pixels)


def _once(found: re.Match[bytes], seen: set[bytes]) -> bytes:
  """What was found, or nothing where its id was seen before."""
  id = found[1] or found[2]
  if id in seen:
    return b''
  seen.add(id)
  return found[0]
