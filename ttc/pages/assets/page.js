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

  // Every table of the page can be taken along.
  function asCsv(table) {
    const quote = (cell) => `"${cell.textContent.trim().replaceAll('"', '""')}"`;
    return [...table.rows].map((row) => [...row.cells].map(quote).join(','))
      .join('\r\n');
  }
  for (const table of document.querySelectorAll('main table')) {
    const save = document.createElement('button');
    save.type = 'button';
    save.className = 'save';
    save.textContent = 'CSV';
    save.title = 'Download this table';
    save.addEventListener('click', () => {
      const link = document.createElement('a');
      const section = table.closest('section').id;
      link.href = URL.createObjectURL(
        new Blob([asCsv(table)], { type: 'text/csv' }));
      link.download = `${section}.csv`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
    table.closest('.wide').after(save);
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
