// The figures as charts: values on hover, series on and off, the x axis by
// generations or FLOPs, and differences from a series of the reader's choice.
// Their intervals are among the numbers; nothing is estimated here.
//
// They are drawn from the same numbers as the pictures, which stay for print and
// for readers without scripts.
'use strict';

(() => {
  const data = document.getElementById('figure-data');
  if (!data || !window.Plot) return;
  const panels = JSON.parse(data.textContent);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  // Of Okabe and Ito, as in the pictures; the last one is the ink.
  const HUES = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9',
    '#7A7A7A', 'currentColor'];
  const SYMBOLS = { circle: 'circle', square: 'square', star: 'star', none: null };

  function colours(panel) {
    const hues = panel.series.map((s, i) => (s.hue === null ? i : s.hue));
    const top = Math.max(1, ...hues);
    return panel.series.map((s, i) => (panel.palette === 'ordered'
      ? d3.interpolateViridis((dark.matches ? 0.3 : 0) + (dark.matches ? 0.65
        : 0.88) * (hues[i] / top)) : HUES[hues[i] % HUES.length]));
  }

  // What a reader chose to see of a panel, as a panel of its own.
  function view(panel, chosen) {
    let own = panel;
    if (chosen.over) {
      own = { ...own, y_label: `points ahead of ${chosen.over}`, base: 0,
        series: own.series.map((s) => ahead(panel, s, chosen.over)) };
    }
    if (chosen.flops) {
      own = { ...own, x_scale: 'log10', x_label: 'FLOPs per question, as executed',
        series: own.series.map((s) => ({ ...s, x: s.flops })) };
    }
    return own;
  }

  // A series as its differences from another one of the panel.
  function ahead(panel, series, over) {
    const empty = { ...series, x: [], y: [], low: [], high: [], flops: [] };
    const held = panel.differences.find((d) => (d.name === series.name
      && d.over === over) || (d.over === series.name && d.name === over));
    if (!held) return empty;
    const turned = (values) => (held.over === over ? values
      : values.map((v) => (v === null ? null : -v)));
    const [low, high] = held.over === over ? [held.low, held.high]
      : [held.high, held.low];
    const at = (x) => series.flops[series.x.indexOf(x)];
    return { ...series, x: held.x, y: turned(held.y), low: turned(low),
      high: turned(high), flops: series.flops.length ? held.x.map(at) : [] };
  }

  // One row for each measured point.
  function points(panel, series, shown) {
    const name = (x) => (panel.categories.length ? panel.categories[x] : x);
    return series.x.map((x, i) => ({
      x, y: series.y[i], low: series.low[i], high: series.high[i],
      series: series.name, category: name(x), shown,
    })).filter((point) => point.y !== null && point.y !== undefined);
  }

  function told(panel, point) {
    const digits = (value) => (Math.abs(value) >= 1000 ? value.toExponential(2)
      : String(Number(value.toPrecision(4))));
    const where = panel.categories.length ? point.category : digits(point.x);
    const range = point.low === null || point.low === undefined ? ''
      : ` [${point.low.toFixed(1)}, ${point.high.toFixed(1)}]`;
    return `${point.series}\n${panel.x_label}: ${where}\n`
      + `${panel.y_label}: ${point.y.toFixed(1)}${range}`;
  }

  function lines(panel, series, colour, own) {
    const star = series.marker === 'star';
    const bare = panel.kind === 'dots' || star;
    const band = own.filter((p) => p.low !== null && p.low !== undefined);
    return [
      star || band.length === 1 ? Plot.ruleX(band, { x: 'x', y1: 'low', y2: 'high', stroke: colour })
        : Plot.areaY(band, { x: 'x', y1: 'low', y2: 'high', fill: colour,
          fillOpacity: 0.14 }),
      bare ? null : Plot.lineY(own, { x: 'x', y: 'y', stroke: colour,
        strokeWidth: 2, strokeDasharray: series.dashed ? '7 4' : null }),
      series.marker === 'none' ? null : Plot.dot(own, { x: 'x', y: 'y',
        fill: colour, symbol: SYMBOLS[series.marker], r: star ? 6 : 3.5 }),
    ];
  }

  function bars(series, colour, own) {
    const opacity = 0.25 + 0.75 * series.shade;
    return [
      Plot.barY(own, { fx: 'category', x: 'series', y: 'y', fill: colour,
        fillOpacity: opacity }),
      Plot.ruleX(own.filter((p) => p.low !== null && p.low !== undefined),
        { fx: 'category', x: 'series', y1: 'low', y2: 'high',
          stroke: 'currentColor' }),
    ];
  }

  function scaleX(panel) {
    if (panel.kind === 'bars') return { axis: null, domain: panel.series
      .map((s) => s.name) };
    const label = panel.x_label;
    if (panel.x_scale === 'log10') return { type: 'log', label, ticks: 5,
      tickFormat: '~e' };
    if (panel.x_scale === 'log2') {
      const plain = (v) => (v >= 1 ? String(v) : `1/${1 / v}`);
      const places = panel.series.flatMap((s) => s.x);
      const ticks = d3.range(Math.floor(Math.log2(Math.min(...places))),
        Math.ceil(Math.log2(Math.max(...places))) + 1).map((e) => 2 ** e);
      return { type: 'log', base: 2, label, ticks, tickFormat: plain };
    }
    return { label };
  }

  function chart(whole, chosen, hidden, width) {
    const panel = view(whole, chosen);
    const colour = colours(panel);
    const marks = [];
    const all = [];
    panel.series.forEach((series, i) => {
      if (hidden.has(legendOf(series))) return;
      const own = points(panel, series);
      all.push(...own);
      marks.push(...(panel.kind === 'bars' ? bars(series, colour[i], own)
        : lines(panel, series, colour[i], own)));
    });
    for (const [x, label] of panel.marks) {
      marks.push(Plot.ruleX([x], { strokeDasharray: '3 3', strokeOpacity: 0.6 }),
        Plot.text([x], { x: (d) => d, frameAnchor: 'top', text: () => label,
          dy: -10 }));
    }
    const title = (point) => told(panel, point);
    const where = panel.kind === 'bars'
      ? { fx: 'category', x: 'series', y: 'y', title } : { x: 'x', y: 'y', title };
    if (panel.kind === 'bars' || panel.base === 0) marks.push(Plot.ruleY([0]));
    marks.push(Plot.tip(all, Plot.pointer({ ...where, fill: 'var(--paper)' })));
    return Plot.plot({
      width, height: Math.round(Math.min(380, Math.max(260, width * 0.62))),
      marginLeft: 52, marginBottom: 44, marginTop: 26, grid: false,
      style: { fontSize: '13px', background: 'transparent', overflow: 'visible' },
      x: scaleX(panel), y: { label: panel.y_label, grid: true, nice: true },
      fx: panel.kind === 'bars' ? { label: panel.x_label, padding: 0.15,
        domain: panel.categories } : undefined,
      ariaLabel: panel.title, marks: marks.filter(Boolean),
    });
  }

  function legendOf(series) {
    return series.legend === null ? series.name : series.legend;
  }

  function legend(panel, hidden, redraw) {
    const colour = colours(panel);
    const entries = new Map();
    panel.series.forEach((series, i) => {
      const text = legendOf(series);
      if (text) entries.set(text, colour[i]);
    });
    const place = document.createElement('p');
    place.className = 'legend';
    if (panel.legend_title) place.append(`${panel.legend_title}: `);
    for (const [text, shade] of entries) {
      const button = document.createElement('button');
      button.type = 'button';
      button.setAttribute('aria-pressed', String(!hidden.has(text)));
      const swatch = document.createElement('span');
      swatch.className = 'swatch';
      swatch.style.background = shade;
      button.append(swatch, text);
      button.addEventListener('click', () => {
        if (!hidden.delete(text)) hidden.add(text);
        button.setAttribute('aria-pressed', String(!hidden.has(text)));
        redraw();
      });
      place.append(button);
    }
    return entries.size > 1 ? place : null;
  }

  // What to compare with, and what the x axis counts, where there is a choice.
  function controls(panel, chosen, redraw) {
    const place = document.createElement('p');
    place.className = 'legend';
    const offer = (text, options, choose) => {
      const label = document.createElement('label');
      const select = document.createElement('select');
      for (const [value, name] of options) select.add(new Option(name, value));
      select.addEventListener('change', () => { choose(select.value); redraw(); });
      label.append(`${text} `, select);
      place.append(label);
    };
    const paired = new Set(panel.differences.flatMap((d) => [d.name, d.over]));
    if (paired.size) {
      offer('Ahead of', [['', '(accuracies)'], ...panel.series
        .filter((s) => paired.has(s.name)).map((s) => [s.name, s.name])],
      (value) => { chosen.over = value; });
    }
    if (panel.series.some((s) => s.flops.length)) {
      offer('By', [['', 'generations'], ['flops', 'exact FLOPs']],
        (value) => { chosen.flops = value; });
    }
    return place.childElementCount ? place : null;
  }

  function prepare(node) {
    const panel = panels[node.dataset.figure][Number(node.dataset.panel)];
    const hidden = new Set();
    const chosen = { over: '', flops: '' };
    const place = document.createElement('div');
    place.className = 'chart';
    const heading = document.createElement('h4');
    heading.textContent = panel.title;
    const draw = () => {
      const width = Math.max(280, Math.floor(node.clientWidth));
      place.replaceChildren(chart(panel, chosen, hidden, width));
    };
    const parts = [heading, controls(panel, chosen, draw), place,
      legend(panel, hidden, draw)].filter(Boolean);
    node.prepend(...parts);
    node.classList.add('drawn');
    draw();
    let before = node.clientWidth;
    new ResizeObserver(() => {
      if (node.clientWidth !== before) {
        before = node.clientWidth;
        draw();
      }
    }).observe(node);
    dark.addEventListener('change', () => {
      draw();
      const old = node.querySelector('.chart + .legend');
      if (old) old.replaceWith(legend(panel, hidden, draw));
    });
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        seen.unobserve(entry.target);
        prepare(entry.target);
      }
    }
  }, { rootMargin: '600px' });
  document.querySelectorAll('.panel').forEach((node) => seen.observe(node));
})();
