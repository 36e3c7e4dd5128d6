// Chains of revisions: each attempt, and what it changed of the one before.
'use strict';

const Chains = (() => {
  const { make } = Explorer;
  const LONGEST = 1500; // words, beyond which texts are shown without a diff

  function shown(arm) {
    const chains = new Map();
    for (const attempt of arm.attempts) {
      if (!chains.has(attempt[4])) chains.set(attempt[4], []);
      chains.get(attempt[4]).push(attempt);
    }
    return [...chains].sort((a, b) => a[0] - b[0]).map(([chain, attempts], i) => {
      attempts.sort((a, b) => a[5] - b[5]);
      const marks = attempts.map((a) => (a[1] ? '✓' : '✗')).join(' ');
      const part = make('details', { open: i === 0 }, make('summary', {},
        `Chain ${chain + 1}: ${marks}`));
      const fill = () => {
        if (part.dataset.filled) return;
        part.dataset.filled = '1';
        attempts.forEach((attempt, turn) => part.append(
          step(arm, attempt, turn ? attempts[turn - 1] : null)));
      };
      part.addEventListener('toggle', fill);
      if (part.open) fill();
      return part;
    });
  }

  function step(arm, attempt, before) {
    const [text, right, cut, values, , turn] = attempt;
    const score = values && values.length
      ? `, value ${values[values.length - 1].toFixed(2)}` : '';
    return make('div', { className: 'attempt' },
      make('h5', {}, `Turn ${turn}: `,
        make('span', { className: right ? 'mark holds' : 'mark fails' },
          right ? '✓ right' : '✗ wrong'),
        `${cut ? ', cut short' : ''}${score}`),
      make('pre', { tabIndex: 0 }, ...(before === null ? [arm.texts[text]]
        : changes(arm.texts[before[0]], arm.texts[text]))));
  }

  // Words that were taken away and added, by the longest common subsequence.
  function changes(before, after) {
    const a = before.split(/(\s+)/);
    const b = after.split(/(\s+)/);
    if (before === after) return [after];
    if (a.length > LONGEST || b.length > LONGEST) return [after];
    const width = b.length + 1;
    const table = new Uint16Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        table[i * width + j] = a[i] === b[j]
          ? table[(i + 1) * width + j + 1] + 1
          : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
      }
    }
    const parts = [];
    const add = (tag, word) => {
      const last = parts[parts.length - 1];
      if (last && last[0] === tag) last[1] += word;
      else parts.push([tag, word]);
    };
    let [i, j] = [0, 0];
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) {
        add('', b[j]);
        [i, j] = [i + 1, j + 1];
      } else if (j < b.length && (i === a.length
        || table[i * width + j + 1] >= table[(i + 1) * width + j])) {
        add('ins', b[j]);
        j += 1;
      } else {
        add('del', a[i]);
        i += 1;
      }
    }
    return parts.map(([tag, text]) => (tag ? make(tag, {}, text) : text));
  }

  return { shown, changes };
})();
