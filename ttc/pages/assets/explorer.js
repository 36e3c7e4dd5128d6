// The explorer: a table of all questions, and one question at a time.
//
// Where the reader is stands in the hash, so that every view has an address:
//   #explore?saved=...&find=...&bin=1&sort=pass1&page=2
//   #question=12&arm=3&beside=5&round=4&seed=1
// Without a seed it is the first one.
// Text of models reaches the page through textContent alone.
'use strict';

const Explorer = (() => {
  const PAGE = 50; // questions shown at once
  const place = document.getElementById('explorer');
  const seeds = place ? place.dataset.seeds.split(' ') : [];
  // By seed: its index, promises of the questions of a chunk by its number, and
  // who waits for a chunk by its first question.
  const held = new Map(seeds.map((seed) => [seed,
    { index: null, chunks: new Map(), waiting: new Map() }]));
  let seed = seeds[0];
  let index = null; // of that seed

  function load(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = `explorer/seed-${name}`;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${script.src} is missing`));
      document.head.append(script);
    });
  }

  window.ttcIndex = (found) => { held.get(`${found.seed}`).index = found; };
  window.ttcChunk = (found) => {
    held.get(`${found.seed}`).waiting.get(found.first)(found.questions);
  };

  // The question at a position of the table.
  async function question(position) {
    let chunk = index.chunks.length - 1;
    while (index.chunks[chunk] > position) chunk -= 1;
    const first = index.chunks[chunk];
    const { chunks, waiting } = held.get(seed);
    if (!chunks.has(chunk)) {
      chunks.set(chunk, new Promise((resolve, reject) => {
        waiting.set(first, resolve);
        load(`${seed}/chunk-${String(chunk).padStart(4, '0')}.js`).catch(reject);
      }));
    }
    return (await chunks.get(chunk))[position - first];
  }

  function state() {
    const [view, query] = location.hash.slice(1).split('?');
    if (view === 'explore') return { view, ...parsed(query) };
    if (view.startsWith('question=')) return { view: 'question', ...parsed(view) };
    return { view: '' };
  }

  function parsed(query) {
    return Object.fromEntries(new URLSearchParams(query || ''));
  }

  function go(view, values) {
    const kept = Object.entries(values).filter(([name, value]) => value !== ''
      && value !== undefined && !(name === 'seed' && value === seeds[0]));
    const query = new URLSearchParams(kept);
    location.hash = view === 'question' ? `${query}` : `explore?${query}`;
  }

  // The address of a question, or of the table for null, of the same seed.
  function link(id) {
    const own = seed === seeds[0] ? '' : `seed=${seed}`;
    if (id === null) return own ? `#explore?${own}` : '#explore';
    return `#question=${id}${own && `&${own}`}`;
  }

  // A field that chooses the seed; null where there is only one.
  function seedChoice(view, asked) {
    if (seeds.length < 2) return null;
    const select = make('select', { name: 'seed' }, ...seeds.map((own) => make(
      'option', { value: own, selected: own === seed }, own)));
    select.addEventListener('input', (event) => {
      event.stopPropagation(); // the form has filters of its own
      go(view, { ...asked, view: '', page: '', round: '', seed: select.value });
    });
    return make('label', {}, 'Seed ', select);
  }

  // Positions of the questions that a view asks for, in its order.
  function matching(asked) {
    const saved = asked.saved ? new Set(index.saved[asked.saved] || []) : null;
    const words = (asked.find || '').toLowerCase().split(/\s+/).filter(Boolean);
    const kind = 'predicted' in index.bins ? 'predicted' : 'oracle';
    const found = [];
    for (let i = 0; i < index.ids.length; i += 1) {
      if (saved && !saved.has(i)) continue;
      if (asked.bin && String(index.bins[kind][i]) !== asked.bin) continue;
      if (!satisfies(asked.right, i, true)) continue;
      if (!satisfies(asked.wrong, i, false)) continue;
      if (words.length) {
        const text = `${index.ids[i]} ${index.texts[i]}`.toLowerCase();
        if (!words.every((word) => text.includes(word))) continue;
      }
      found.push(i);
    }
    const key = sortKey(asked.sort || 'id');
    if (key) {
      const sign = asked.down ? -1 : 1;
      found.sort((a, b) => sign * (key(a) - key(b)) || a - b);
    }
    return found;
  }

  function satisfies(strategy, i, right) {
    if (strategy === undefined || strategy === '') return true;
    const value = index.strategies[Number(strategy)].right[i];
    return right ? value >= 0.5 : value < 0.5;
  }

  function sortKey(name) {
    if (name === 'pass1' && index.pass1) return (i) => index.pass1[i];
    if (name in index.bins) return (i) => index.bins[name][i];
    if (name.startsWith('s')) {
      const own = index.strategies[Number(name.slice(1))];
      if (own) return (i) => own.right[i];
    }
    return (i) => index.ids[i];
  }

  function make(tag, properties, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (name in node && name !== 'list') node[name] = value;
      else node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null));
    return node;
  }

  function download(name, text, kind) {
    const link = make('a', {
      href: URL.createObjectURL(new Blob([text], { type: kind })),
      download: name,
    });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async function show() {
    const asked = state();
    if (!asked.view && index) return; // somewhere else on the page
    try {
      const wanted = held.has(asked.seed) ? asked.seed : seeds[0];
      if (!held.get(wanted).index) await load(`${wanted}/index.js`);
      seed = wanted;
      index = held.get(seed).index;
      if (asked.view === 'question') {
        const position = index.ids.indexOf(Number(asked.question));
        if (position < 0 || position >= index.explored) {
          place.replaceChildren(make('p', {},
            `The attempts on question ${asked.question} are not here.`));
          return;
        }
        QuestionView.show(place, await question(position), asked, position);
      } else {
        QuestionTable.show(place, asked);
      }
      if (asked.view) {
        document.getElementById('questions').scrollIntoView();
      }
    } catch (error) {
      place.replaceChildren(make('p', {}, `${error.message}: it lies beside this `
        + 'page where the report was written; copy both.'));
    }
  }

  // Keys as in a mail reader: arrows between questions, u up, / to search.
  addEventListener('keydown', (event) => {
    if (event.target.closest('input, select, textarea')) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = { ArrowLeft: '.previous', ArrowRight: '.next', u: '.up' };
    const target = place && place.querySelector(keys[event.key] || '#none');
    if (target && state().view) target.click();
    const find = place && place.querySelector('[name=find]');
    if (event.key === '/' && find) {
      event.preventDefault();
      find.focus();
    }
  });
  addEventListener('hashchange', show);
  addEventListener('DOMContentLoaded', () => { if (place) show(); });

  return {
    PAGE, make, go, link, seedChoice, state, matching, download, show,
    get index() { return index; },
  };
})();
