// Draws what is better seen than read; the same is always there as text beside it.

import { h } from "./dom.js";
import { clock, count, day, lasting, short } from "./format.js";

const DAY_S = 86400;
const LANES_MAX = 8;
const STEPS = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((each) => each * 10 ** power)).flat();

// A colour of the style sheet as the canvas needs it.
function colour(node, name) {
  const probe = node.appendChild(h("i", { class: `ink ${name}` }));
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// Every day from `since` on, also those on which nothing was called.
export function everyDay(usage) {
  const known = new Map(usage.days.map((each) => [each.day, each]));
  const days = [];
  const last = Date.parse(usage.as_of);
  for (let at = Date.parse(`${usage.since.slice(0, 10)}T00:00:00Z`); at <= last; at += DAY_S * 1000) {
    const name = new Date(at).toISOString().slice(0, 10);
    days.push({ day: name, at: at / 1000, calls: 0, errors: 0, rows: 0, ...known.get(name) });
  }
  return days;
}

// Bars for each day, of one or two series: {label, value(day), ink}.
export function dayChart({ key, label, days, series, height = 150 }) {
  const draw = (node) => {
    const told = JSON.stringify([days, document.documentElement.dataset.theme, node.clientWidth, matchMedia("(prefers-color-scheme: dark)").matches]);
    if (node.told === told || !node.clientWidth) return;
    node.told = told;
    if (node.plot) node.plot.destroy();
    node.plot = new uPlot(options(node, series, height), [days.map((each) => each.at), ...series.map((one) => days.map(one.value))], node);
    if (!node.watcher) {
      node.watcher = new ResizeObserver(() => node.redraw());
      node.watcher.observe(node);
    }
    node.redraw = () => draw(node);
  };
  return h("div", { class: "chart", key, own: draw, role: "img", "aria-label": label });
}

function options(node, series, height) {
  const ink = colour(node, "quiet");
  const line = colour(node, "line");
  const axis = { stroke: ink, font: "11px system-ui, sans-serif", ticks: { show: false } };
  return {
    width: node.clientWidth, height, legend: { show: false }, padding: [8, 4, 0, 0],
    cursor: { x: false, y: false, drag: { x: false, y: false }, points: { show: false } },
    tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
    scales: { x: { range: (_, from, to) => [from - DAY_S * 0.6, to + DAY_S * 0.6] }, y: { range: (_, from, to) => [0, Math.max(to, 4) * 1.1] } },
    axes: [
      { ...axis, grid: { show: false }, size: 28, space: 44, incrs: [1, 2, 5, 10].map((each) => each * DAY_S), values: (_, marks) => marks.map((at) => day(at * 1000)) },
      { ...axis, grid: { stroke: line, width: 1 }, size: 42, space: 32, incrs: STEPS, values: (_, marks) => marks.map(short) },
    ],
    series: [{}, ...series.map((one) => ({
      label: one.label, fill: colour(node, one.ink), width: 0, points: { show: false },
      paths: uPlot.paths.bars({ size: [0.62, 36], radius: 0.12 }),
    }))],
  };
}

// Runs over time, a lane for each name; each bar opens its run.
export function timeline(runs, open) {
  const begun = runs.filter((run) => run.started_at).slice(0, 40);
  if (begun.length < 2) return null;
  const now = Date.now();
  const spans = begun.map((run) => {
    const from = Date.parse(run.started_at);
    return { run, from, to: run.seconds === undefined ? now : from + run.seconds * 1000 };
  });
  const start = Math.min(...spans.map((span) => span.from));
  const end = Math.max(...spans.map((span) => span.to));
  const share = (ms) => (100 * (ms - start)) / Math.max(end - start, 1);
  const names = [...new Set(begun.map((run) => run.name))];
  const lanes = names.slice(0, LANES_MAX).map((name) => h("div", { class: "lane", key: name },
    h("span", { class: "name" }, name),
    h("svg", { class: "track", viewBox: "0 0 1000 16", preserveAspectRatio: "none", "aria-hidden": "true" },
      spans.filter((span) => span.run.name === name).map((span) => {
        const x = share(span.from) * 9.9;
        return h("rect", {
          class: span.run.state, key: span.run.run_id, x: x.toFixed(1), y: 2, height: 12,
          width: Math.max(share(span.to) * 9.9 - x, 5).toFixed(1), rx: 2, on: { click: () => open(span.run.run_id) },
        });
      }))));
  const failed = begun.filter((run) => ["FAILED", "TIMEDOUT", "LOST"].includes(run.state)).length;
  const said = `${count(begun.length)} runs within ${lasting((end - start) / 1000)}, ${count(failed)} of them failed; the table below lists them`;
  const ends = end - start > 2 * DAY_S * 1000 ? [day(start), day(end)] : [clock(start), clock(end)];
  return h("div", { class: "timeline", role: "img", "aria-label": said, key: "timeline" }, lanes,
    names.length > LANES_MAX && h("p", { class: "quiet" }, `and ${names.length - LANES_MAX} more names`),
    h("div", { class: "lane ends" }, h("span"), h("span", { class: "track" }, h("span", null, ends[0]), h("span", null, ends[1]))));
}

// How much of a whole: a figure that may be over it.
export function meter(label, part, whole, words) {
  const percent = whole > 0 ? (100 * part) / whole : 0;
  const tone = percent >= 100 ? "bad" : percent >= 80 ? "wait" : "good";
  return h("div", { class: "meter", key: label },
    h("div", { class: "row" }, h("span", null, label), h("span", { class: "num" }, words)),
    h("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${Math.round(percent)} %` },
      h("rect", { class: "whole", width: 100, height: 4 }), h("rect", { class: tone, width: Math.min(percent, 100).toFixed(1), height: 4 })));
}
