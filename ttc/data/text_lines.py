"""Lines of a text file in UTF-8, gzipped or not.

What is in a file is told from its first bytes, never from its name: files lose
their suffix, and a download may be unpacked on its way. A file in another
format is an error that names the format and how to convert it.
"""

from collections.abc import Iterator
import contextlib
import gzip
import io
import pathlib
import zlib

from ttc.data import hub
from ttc.runtime import storage

_GZIP = b'\x1f\x8b'
LFS_POINTER = b'version https://git-lfs'  # what one of Git LFS begins with
_BOM = b'\xef\xbb\xbf'
_HEAD = 512  # bytes that tell a format
_PAGE = 'a web page; fetch the raw file instead of the page that shows it'
_UTF_16 = (
  'text in UTF-16, as PowerShell writes it; convert it with `iconv -f UTF-16 '
  '-t UTF-8`, or write it with `Out-File -Encoding utf8`'
)
# By what a file begins with: what it is, and how lines of JSON are made of it.
_OTHERS = {
  LFS_POINTER: 'a pointer of Git LFS, not the file itself; run '
  '`git lfs pull` in its repository',
  b'PAR1': 'a parquet file; convert it, such as with pandas.read_parquet(path)'
  ".to_json('a.jsonl', orient='records', lines=True)",
  b'ARROW1': 'an Arrow file; convert it to JSON lines',
  b'\xff\xff\xff\xff': 'an Arrow file; convert it, such as with '
  "datasets.Dataset.from_file(path).to_json('a.jsonl')",
  b'\xff\xfe\x00\x00': 'text in UTF-32; convert it with `iconv -f UTF-32`',
  b'\x00\x00\xfe\xff': 'text in UTF-32; convert it with `iconv -f UTF-32`',
  b'\xff\xfe': _UTF_16,
  b'\xfe\xff': _UTF_16,
  b'PK\x03\x04': 'a zip archive; unpack it',
  b'\x28\xb5\x2f\xfd': 'a zstandard file; unpack it with `zstd -d`',
  b'\xfd7zXZ\x00': 'an xz file; unpack it with `xz -d`',
  b'BZh': 'a bzip2 file; unpack it with `bzip2 -d`',
  _GZIP: 'gzipped twice; unpack it once with `gzip -d`',
  b'<!doctype': _PAGE,
  b'<html': _PAGE,
}


def read(path: str | pathlib.Path) -> Iterator[tuple[int, bytes]]:
  """Yields (line number, line) per line that is not blank, from line 1.

  A byte order mark is left out of a line. The file may be in a bucket.

  Raises:
    ValueError: there is no such file, it is none of text in UTF-8, or a gzip
      file is damaged.
  """
  place = storage.path(path)
  if not place.is_file():
    if place.is_dir():
      raise ValueError(
        f'{path} is a folder; name a file in it: JSON lines, gzipped or not, '
        'or parquet.'
      )
    raise ValueError(f'There is no file {path}.{hub.advice(path, "dataset")}')
  with place.open('rb') as raw:
    # Files of a bucket have no buffer that one can look into.
    file = raw if hasattr(raw, 'peek') else io.BufferedReader(raw)
    packed = file.peek(len(_GZIP)).startswith(_GZIP)
    number = 0  # for an error before the first line
    try:
      with gzip.open(file) if packed else contextlib.nullcontext(file) as text:
        _check(path, text.peek(_HEAD)[:_HEAD])
        for number, line in enumerate(text, start=1):
          line = line.removeprefix(_BOM)
          if line.strip():
            yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
      raise ValueError(
        f'{path} is no whole gzip file after line {number} ({error}); fetch '
        'it again.'
      ) from error


def _check(path, head: bytes) -> None:
  """Raises ValueError if a file begins as one of another format."""
  for beginning, what in _OTHERS.items():
    if head.startswith(beginning) or head[:9].lower().startswith(beginning):
      raise ValueError(f'{path} is {what}.')
  if b'\x00' in head:
    raise ValueError(
      f'{path} holds bytes of value 0: it is text in UTF-16, or no text; give '
      'JSON lines in UTF-8.'
    )
