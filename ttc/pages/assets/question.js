// One question: its text, and what one or two arms made of it.
'use strict';

const QuestionView = (() => {
  const { make } = Explorer;

  function show(place, question, asked, position) {
    const { index } = Explorer;
    const arms = question.arms;
    const arm = arms[Number(asked.arm) || 0];
    const beside = asked.beside ? arms[Number(asked.beside)] : null;
    const columns = make('div', { className: 'columns' });
    if (arm) columns.append(column(question, arm, asked));
    if (beside) columns.append(column(question, beside, asked));
    const step = (by) => (position + by >= 0 && position + by < index.explored
      ? make('a', { href: Explorer.link(index.ids[position + by]),
        className: by < 0 ? 'previous' : 'next' },
      by < 0 ? '← previous' : 'next →') : null);
    place.replaceChildren(...[
      make('p', { className: 'pager' },
        make('a', { href: Explorer.link(null), className: 'up' },
          'All questions'), ' ',
        step(-1), ' ', step(1)),
      make('h3', {}, `Question ${question.id}`),
      question.question ? make('pre', { tabIndex: 0 }, question.question) : null,
      question.gold ? make('p', {}, 'Reference answer: ',
        make('code', {}, question.gold)) : null,
      facts(position),
      make('form', {}, Explorer.seedChoice('question', asked),
        choose('Arm', 'arm', asked, arms, false),
        choose('Beside it', 'beside', asked, arms, true),
        make('button', { type: 'button', onclick: () => Explorer.download(
          `question-${question.id}.json`, JSON.stringify(question, null, 1),
          'application/json') }, 'Download JSON')),
      columns,
      ledger(question.ledger),
    ].filter(Boolean));
  }

  function facts(position) {
    const { index } = Explorer;
    const told = Object.entries(index.bins)
      .map(([kind, bins]) => `bin ${bins[position]} (${kind})`);
    if (index.pass1) {
      told.push(`pass@1 ${(100 * index.pass1[position]).toFixed(0)} %`);
    }
    return make('p', { className: 'about' }, told.join(' · '));
  }

  function title(arm) {
    return `${arm.stage}: ${arm.name}, N=${arm.budget}`;
  }

  function choose(text, name, asked, arms, empty) {
    const select = make('select', { name },
      empty ? make('option', { value: '' }, 'nothing') : null,
      ...arms.map((arm, i) => make('option', {
        value: String(i), selected: asked[name] === String(i) }, title(arm))));
    select.addEventListener('change', () => Explorer.go('question', {
      ...asked, view: '', round: '', [name]: select.value }));
    return make('label', {}, `${text} `, select);
  }

  function column(question, arm, asked) {
    const chains = arm.attempts.some((attempt) => attempt[4] !== null);
    return make('section', { ariaLabel: title(arm) },
      make('h4', {}, title(arm)),
      arm.trace ? TraceView.tree(arm, asked) : null,
      ...(chains ? Chains.shown(arm) : arm.groups.map((g, i) => group(arm, g, i))));
  }

  function group(arm, own, place) {
    const votes = arm.scored ? `votes ${own.votes.toFixed(2)}`
      : `${own.rows.length} votes`;
    const list = make('details', { open: place === 0 },
      make('summary', {},
        make('span', { className: own.right ? 'mark holds' : 'mark fails' },
          own.right ? '✓ right' : '✗ wrong'),
        ` ${own.rows.length} × ${own.answer === null ? 'no answer'
          : own.answer} (${votes}${place === 0 ? ', chosen' : ''})`));
    // Equal texts are shown once, when they are looked at.
    const fill = () => {
      if (list.dataset.filled) return;
      list.dataset.filled = '1';
      const seen = new Map();
      for (const row of own.rows) {
        const attempt = arm.attempts[row];
        const key = `${attempt[0]} ${attempt[3]}`;
        if (!seen.has(key)) seen.set(key, [attempt, 0]);
        seen.get(key)[1] += 1;
      }
      for (const [attempt, times] of seen.values()) {
        list.append(steps(arm, attempt, times));
      }
    };
    list.addEventListener('toggle', fill);
    if (list.open) fill();
    return list;
  }

  // The text of an attempt by its steps, each with the verifier's value.
  function steps(arm, attempt, times) {
    const [text, , cut, values] = attempt;
    const whole = arm.texts[text];
    const { delimiter } = Explorer.index;
    const parts = values && delimiter ? whole.split(delimiter) : [];
    const note = `${times > 1 ? `${times} times` : ''}${cut ? ' cut short' : ''}`;
    if (!values || parts.length !== values.length) {
      return make('div', { className: 'attempt' },
        make('pre', { tabIndex: 0 }, whole), values ? make('p', { className: 'note' },
          `values at step ends: ${values.map((v) => v.toFixed(2)).join(' ')}`)
          : null, note ? make('p', { className: 'note' }, note) : null);
    }
    return make('div', { className: 'attempt' },
      make('ol', { className: 'steps' }, ...parts.map((part, i) => make('li', {},
        value(values[i]), make('span', { className: 'text' }, part)))),
      note ? make('p', { className: 'note' }, note) : null);
  }

  function value(number) {
    const shown = make('span', { className: 'step' }, number.toFixed(2));
    shown.style.setProperty('--value', number);
    return shown;
  }

  function ledger(rows) {
    if (!rows.length) return null;
    const keys = ['budget', 'round', 'action', 'belief', 'gain', 'price', 'stop',
      'right'];
    const text = (entry) => (entry === null || entry === undefined ? ''
      : typeof entry === 'number' ? String(Number(entry.toPrecision(4)))
        : String(entry));
    return make('details', {}, make('summary', {},
      `Ledger of spending as results come in (${rows.length} decisions)`),
    make('div', { className: 'wide', tabIndex: 0 }, make('table', {},
      make('thead', {}, make('tr', {}, ...keys.map((key) => make('th',
        { scope: 'col' }, key)))),
      make('tbody', {}, ...rows.map((row) => make('tr', {},
        ...keys.map((key) => make('td', {}, text(row[key])))))))));
  }

  return { show, steps };
})();
