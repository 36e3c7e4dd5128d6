// The table of all questions: sorted, filtered, searched, a page at a time.
'use strict';

const QuestionTable = (() => {
  const { make } = Explorer;

  function show(place, asked) {
    const found = Explorer.matching(asked);
    const pages = Math.max(1, Math.ceil(found.length / Explorer.PAGE));
    const page = Math.min(Math.max(1, Number(asked.page) || 1), pages);
    const first = (page - 1) * Explorer.PAGE;
    const rows = found.slice(first, first + Explorer.PAGE);
    const focused = document.activeElement && document.activeElement.name;
    place.replaceChildren(
      controls(asked, found),
      make('p', { role: 'status' }, `${found.length} of `
        + `${Explorer.index.ids.length} questions, seed ${Explorer.index.seed}`),
      make('div', { className: 'wide', tabIndex: 0, role: 'region',
        ariaLabel: 'Questions' },
      make('table', { className: 'questions' }, head(asked), body(rows))),
      pager(asked, page, pages),
    );
    if (focused === 'find') {
      const field = place.querySelector('[name=find]');
      field.focus();
      field.setSelectionRange(field.value.length, field.value.length);
    }
  }

  function controls(asked, found) {
    const { index } = Explorer;
    const kind = 'predicted' in index.bins ? 'predicted' : 'oracle';
    const bins = index.bins[kind]
      ? [...new Set(index.bins[kind])].sort((a, b) => a - b) : [];
    const names = index.strategies.map((s, i) => [String(i), s.name]);
    const form = make('form', { role: 'search', ariaLabel: 'Questions' },
      labelled('Find', make('input', {
        type: 'search', name: 'find', value: asked.find || '',
        autocomplete: 'off' })),
      Explorer.seedChoice('explore', asked),
      choice('Show', 'saved', asked, Object.keys(index.saved)
        .map((name) => [name, name])),
      bins.length ? choice(`Bin (${kind})`, 'bin', asked,
        bins.map((b) => [String(b), String(b)])) : null,
      choice('Right by', 'right', asked, names),
      choice('Wrong by', 'wrong', asked, names),
      make('button', { type: 'button', onclick: () => csv(found) },
        'Download CSV'));
    const change = () => {
      const values = Object.fromEntries(new FormData(form));
      Explorer.go('explore', { ...values, sort: asked.sort, down: asked.down });
    };
    form.addEventListener('input', change);
    form.addEventListener('submit', (event) => event.preventDefault());
    return form;
  }

  function labelled(text, field) {
    return make('label', {}, `${text} `, field);
  }

  function choice(text, name, asked, options) {
    const select = make('select', { name }, make('option', { value: '' }, 'any'),
      ...options.map(([value, shown]) => make('option', {
        value, selected: asked[name] === value }, shown)));
    return labelled(text, select);
  }

  function head(asked) {
    const { index } = Explorer;
    const columns = [['id', 'Question'],
      ...Object.keys(index.bins).map((kind) => [kind, `Bin, ${kind}`]),
      ...(index.pass1 ? [['pass1', 'pass@1']] : []),
      ...index.strategies.map((s, i) => [`s${i}`, s.name])];
    return make('thead', {}, make('tr', {}, ...columns.map(([key, name]) => {
      const now = (asked.sort || 'id') === key;
      const order = asked.down ? 'descending' : 'ascending';
      return make('th', { scope: 'col', ariaSort: now ? order : 'none' },
        make('button', {
          type: 'button', className: 'sort',
          onclick: () => Explorer.go('explore', {
            ...asked, view: '', page: '', sort: key,
            down: now && !asked.down ? 1 : '' }),
        }, `${name}${now ? (asked.down ? ' ↓' : ' ↑') : ''}`));
    })));
  }

  function body(rows) {
    const { index } = Explorer;
    return make('tbody', {}, ...rows.map((i) => {
      const name = `${index.ids[i]}${index.texts[i] ? `: ${index.texts[i]}` : ''}`;
      return make('tr', {},
        make('th', { scope: 'row' }, i < index.explored
          ? make('a', { href: Explorer.link(index.ids[i]) }, name) : name),
        ...Object.values(index.bins).map((bins) => make('td', {}, `${bins[i]}`)),
        index.pass1 ? make('td', { className: 'number' },
          `${(100 * index.pass1[i]).toFixed(0)} %`) : null,
        ...index.strategies.map((s) => verdict(s.right[i])));
    }));
  }

  function verdict(value) {
    if (value === 1) return make('td', { className: 'holds' }, '✓ right');
    if (value === 0) return make('td', { className: 'fails' }, '✗ wrong');
    return make('td', { className: 'open' }, `${(100 * value).toFixed(0)} %`);
  }

  function pager(asked, page, pages) {
    const to = (number, text) => make('button', {
      type: 'button', disabled: number < 1 || number > pages,
      onclick: () => Explorer.go('explore', { ...asked, view: '', page: number }),
    }, text);
    return make('p', { className: 'pager' }, to(page - 1, 'Previous'),
      ` ${page} of ${pages} `, to(page + 1, 'Next'));
  }

  function csv(found) {
    const { index } = Explorer;
    const quote = (value) => `"${String(value).replaceAll('"', '""')}"`;
    const kinds = Object.keys(index.bins);
    const lines = [['id', 'question', ...kinds, 'pass@1',
      ...index.strategies.map((s) => s.name)],
    ...found.map((i) => [index.ids[i], index.texts[i],
      ...kinds.map((kind) => index.bins[kind][i]),
      index.pass1 ? index.pass1[i] : '',
      ...index.strategies.map((s) => s.right[i])])];
    Explorer.download('questions.csv',
      lines.map((line) => line.map(quote).join(',')).join('\r\n'), 'text/csv');
  }

  return { show };
})();
