// The page without its explorer: search among claims, and print.
'use strict';

(() => {
  const form = document.getElementById('claim-search');

  function searchClaims() {
    const words = form.querySelector('input[type=search]').value
      .toLowerCase().split(/\s+/).filter(Boolean);
    const verdicts = new Set(
      [...form.querySelectorAll('input:checked')].map((box) => box.value));
    const all = words.length === 0 && verdicts.size === 4;
    let shown = 0;
    for (const group of document.querySelectorAll('#claims details')) {
      let here = 0;
      for (const row of group.querySelectorAll('tbody tr')) {
        const text = row.textContent.toLowerCase();
        const verdict = row.querySelector('.mark').classList[1];
        row.hidden = !verdicts.has(verdict)
          || !words.every((word) => text.includes(word));
        here += row.hidden ? 0 : 1;
      }
      group.hidden = here === 0;
      if (!all && here) group.open = true;
      shown += here;
    }
    form.querySelector('output').value = `${shown} shown`;
  }

  if (form) {
    form.hidden = false;
    form.addEventListener('input', searchClaims);
    form.addEventListener('submit', (event) => event.preventDefault());
  }

  // Browsers that cannot open folded parts by style alone.
  const opened = [];
  addEventListener('beforeprint', () => {
    for (const part of document.querySelectorAll('details:not([open])')) {
      part.open = true;
      opened.push(part);
    }
  });
  addEventListener('afterprint', () => {
    for (const part of opened.splice(0)) part.open = false;
  });

  // A link to something inside a folded part opens it.
  function reveal() {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    const folded = target && target.closest('details');
    if (folded) {
      folded.open = true;
      target.scrollIntoView();
    }
  }
  addEventListener('hashchange', reveal);
  reveal();
})();
