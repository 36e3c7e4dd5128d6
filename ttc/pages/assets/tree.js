// The tree of a search: a column for each round, a node for each row.
//
// The value of a node is its colour and, for those who see none, its text. What
// leads to no attempt was pruned and is grey. The slider replays the rounds.
'use strict';

const TraceView = (() => {
  const { make } = Explorer;
  const WIDEST = 760; // pixels, of a tree of few rounds
  const NARROWEST = 56; // between rounds
  const HEIGHT = 18;

  function drawn(tag, attributes, ...children) {
    const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) {
      node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  // Which nodes lead to an attempt.
  function kept(trace) {
    const found = new Set();
    for (const end of trace.ends) {
      for (let n = end; n >= 0 && !found.has(n); n = trace.parent[n]) found.add(n);
    }
    return found;
  }

  // Rows of nodes: children stand below each other, in the order of parents.
  function layout(trace) {
    const rounds = [];
    trace.round.forEach((round, node) => {
      (rounds[round] ||= []).push(node);
    });
    const place = [];
    for (const nodes of rounds) {
      (nodes || []).forEach((node, i) => { place[node] = i; });
    }
    const deepest = Math.max(...rounds.map((nodes) => (nodes ? nodes.length : 0)));
    return { place, columns: rounds.length, rows: deepest };
  }

  function tree(arm, asked) {
    const { trace } = arm;
    const alive = kept(trace);
    const { place, columns, rows } = layout(trace);
    const width = Math.max(NARROWEST, Math.min(180, WIDEST / columns));
    const x = (round) => 20 + round * width;
    const y = (row) => 14 + row * HEIGHT;
    const last = columns - 1;
    const text = make('div', { className: 'attempt', role: 'status' });
    const picture = drawn('svg', {
      width: x(last) + 30, height: y(rows), class: 'tree', role: 'group',
      'aria-label': `Search tree of ${trace.parent.length} nodes`,
    });
    const nodes = trace.parent.map((parent, n) => {
      const [left, top] = [x(trace.round[n]), y(place[n])];
      const state = alive.has(n) ? 'kept' : 'pruned';
      const edge = parent < 0 ? null : drawn('line', {
        x1: x(trace.round[parent]), y1: y(place[parent]), x2: left, y2: top,
        class: state });
      const dot = drawn('circle', {
        cx: left, cy: top, r: 6, class: state, tabindex: 0, role: 'button',
        'aria-label': `round ${trace.round[n] + 1}, ${told(trace, n)}, ${state}`,
      });
      const value = trace.value[n];
      dot.style.setProperty('--value', value === null ? 0.5 : value);
      dot.append(drawn('title', {}, `${told(trace, n)}, ${state}`));
      const read = () => showPath(trace, n, text, nodes);
      dot.addEventListener('click', read);
      dot.addEventListener('keydown', (event) => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault();
          read();
        }
      });
      return { edge, dot };
    });
    for (const { edge } of nodes) if (edge) picture.append(edge);
    for (const { dot } of nodes) picture.append(dot);

    const slider = make('input', {
      type: 'range', min: '0', max: String(last), name: 'round',
      value: asked.round === undefined ? String(last) : asked.round });
    const output = make('output', {});
    const replay = () => {
      const now = Number(slider.value);
      let tokens = 0;
      trace.round.forEach((round, n) => {
        const shown = round <= now;
        if (shown) tokens += trace.tokens[n];
        for (const part of [nodes[n].edge, nodes[n].dot]) {
          if (part) part.style.display = shown ? '' : 'none';
        }
      });
      output.value = `round ${now + 1} of ${columns}, ${tokens} tokens sampled`;
    };
    slider.addEventListener('input', replay);
    slider.addEventListener('change', () => Explorer.go('question',
      { ...asked, view: '', round: slider.value }));
    replay();
    return make('div', { className: 'search-tree' },
      make('label', {}, 'Budget ', slider), ' ', output,
      make('div', { className: 'wide', tabIndex: 0, role: 'region',
        ariaLabel: 'Search tree' }, picture),
      make('p', { className: 'note' }, 'A column is a round and a circle a row, '
        + 'red to green by the value of its step; grey ones were pruned. A click '
        + 'shows the steps to a row.'), text);
  }

  function told(trace, n) {
    const value = trace.value[n];
    return `${trace.tokens[n]} tokens${value === null ? ''
      : `, value ${value.toFixed(2)}`}`;
  }

  // The steps from the question to a node, in words.
  function showPath(trace, node, place, nodes) {
    const path = [];
    for (let n = node; n >= 0; n = trace.parent[n]) path.unshift(n);
    const marked = new Set(path);
    nodes.forEach(({ dot }, n) => dot.classList.toggle('path', marked.has(n)));
    place.replaceChildren(make('ol', { className: 'steps' },
      ...path.map((n) => make('li', {},
        make('span', {}, trace.value[n] === null ? ''
          : trace.value[n].toFixed(2)),
        make('span', { className: 'text' }, trace.texts[trace.text[n]])))));
  }

  return { tree, kept, layout };
})();
