// Runs inside a copy of a report, and leaves what it finds wrong in <pre id="found">, a line each.
'use strict';
const found = [];
const expect = (holds, text) => { if (!holds) found.push(text); };
const has_box = (e) => e.getClientRects().length > 0;
const all = (selector) => [...document.querySelectorAll(selector)];

// ---- colours ----------------------------------------------------------------------------------------------

const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
function rgba(colour) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
}
// WCAG 2: relative luminance, and the contrast of two of them.
function luminance(colour) {
  const [r, g, b] = rgba(colour).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}
function paper(e) {
  for (; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor;
    if (rgba(colour)[3] === 255) return colour;
  }
  return 'white';
}
function expect_contrast(elements, property, least, what) {
  const seen = new Set();
  for (const e of elements) {
    const colour = getComputedStyle(e)[property], behind = paper(e), key = colour + behind;
    if (seen.has(key)) continue;
    seen.add(key);
    const ratio = contrast(colour, behind);
    expect(ratio >= least, `${what} ${e.textContent.trim().slice(0, 30)} (${e.getAttribute('class')}): ${colour} on ${behind} has a contrast of ${ratio.toFixed(2)}, expected ${least}`);
  }
}

// ---- the page ---------------------------------------------------------------------------------------------

function check_figures() {
  const figures = all('figure');
  expect(figures.length > 0, 'there is no figure');
  for (const figure of figures) {
    const svg = figure.querySelector('svg'), name = svg ? svg.querySelector('title').textContent : '?';
    expect(svg && has_box(svg) && svg.getBoundingClientRect().height > 50, `figure ${name}: nothing is drawn`);
    expect(svg.querySelectorAll('.line, .mark, .bar, .failed, rect').length > 0, `figure ${name}: has axes and no data`);
    expect(svg.querySelector('desc').textContent && figure.querySelector('figcaption').textContent, `figure ${name}: is not described`);
    const box = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll('text')) {
      const at = text.getBoundingClientRect();
      const out = Math.max(box.left - at.left, at.right - box.right, box.top - at.top, at.bottom - box.bottom);
      expect(out < 2, `figure ${name}: "${text.textContent}" lies ${out.toFixed(0)} px outside it`);
    }
  }
}

// A box hides all that belongs to its name, in every figure, and brings it back.
function check_toggles() {
  for (const box of all('.toggles input')) {
    const marks = all('figure svg .s' + box.id.slice(4)).filter(has_box);
    const others = all('figure svg .mark, figure svg .line').filter((e) => !marks.includes(e) && has_box(e)).length;
    box.click();
    expect(!marks.some(has_box), `${box.id}: switched off, ${marks.filter(has_box).length} of ${marks.length} shapes remain`);
    expect(all('figure svg .mark, figure svg .line').filter((e) => !marks.includes(e) && has_box(e)).length === others, `${box.id}: hides what belongs to others`);
    box.click();
    expect(marks.every(has_box), `${box.id}: switched on again, shapes are missing`);
  }
}

function check_widths(printed) {
  const room = document.documentElement.clientWidth, needed = document.documentElement.scrollWidth;
  expect(needed <= room, `the page is ${needed} px wide, ${room} are there`);
  if (!printed) return;
  for (const e of all('.wide, pre, figure'))
    expect(e.scrollWidth <= e.clientWidth + 1, `on paper ${e.scrollWidth} px of "${e.textContent.trim().slice(0, 40)}" are cut to ${e.clientWidth}`);
}

function check_contrast() {
  const texts = all('body *').filter((e) => has_box(e) && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  expect_contrast(texts.filter((e) => !e.closest('svg')), 'color', 4.5, 'text');
  expect_contrast(texts.filter((e) => e.closest('svg')), 'fill', 4.5, 'label');
  expect_contrast(all('svg .line:not(.faint), svg .mark:not(.faint), svg .interval').filter(has_box), 'stroke', 3, 'line');
}

const printed = document.currentScript.dataset.form === 'print';
const toggles = all('.toggles input').length;
check_figures();
check_widths(printed);
check_contrast();
if (!printed) check_toggles();
const report = document.createElement('pre');
report.id = 'found';
report.textContent = '\nprobe: ' + all('figure').length + ' figures, ' + toggles + ' boxes, ' + innerWidth + ' px wide, ' +
  (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light') + '\n' + found.map((f) => 'probe: WRONG: ' + f + '\n').join('');
document.body.append(report);
