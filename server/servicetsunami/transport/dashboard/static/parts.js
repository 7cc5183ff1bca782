// What several views are made of: badges, tables, states, buttons.

import { h } from "./dom.js";
import { count, moment, plural, since } from "./format.js";

const TONES = {
  synced: "good", SUCCESS: "good", ready: "good", RUNNING: "busy", PENDING: "busy", QUEUED: "busy",
  waiting: "wait", held: "wait", SUCCESS_WITH_FAILURES: "wait", SKIPPED: "quiet", CANCELED: "quiet",
  parked: "bad", FAILED: "bad", TIMEDOUT: "bad", LOST: "bad", ok: "good", failed: "bad", denied: "bad",
  limited: "wait", broken: "bad",
};

export function badge(word, title) {
  const tone = TONES[word] || "quiet";
  return h("span", { class: `badge ${tone}`, title }, String(word).toLowerCase().replaceAll("_", " "));
}

// How far an asset is on its way to Databricks; without a workspace nothing is on a way.
export function syncBadge(state, isConnected) {
  if (state === "off" || (!isConnected && state === "waiting")) return badge("local", "Kept on this server");
  return badge(state);
}

export function ago(text) {
  return text ? h("time", { datetime: text, title: moment(text) }, since(text)) : "–";
}

// `spoken` says what several buttons with one label are for; it begins with the label.
export function button(label, { key, click, kind = "", title, spoken, disabled } = {}) {
  return h("button", { type: "button", class: kind || null, key, title, "aria-label": spoken, disabled, on: { click } }, label);
}

// A table: columns are {title, cell(row), num?, main?}; a row may be followed by what is opened.
export function table({ label, columns, rows, keyOf, opened, isOpen }) {
  const head = h("tr", { role: "row" }, columns.map((column) =>
    h("th", { scope: "col", role: "columnheader", class: column.num ? "num" : "" },
      column.title || h("span", { class: "unseen" }, column.spoken || "Actions"))));
  return h("table", { role: "table", "aria-label": label },
    h("thead", { role: "rowgroup" }, head),
    h("tbody", { role: "rowgroup" }, rows.flatMap((row) => {
      const key = keyOf(row);
      const cells = columns.map((column) => h("td", {
        role: "cell", class: [column.num ? "num" : "", column.main ? "main" : "", column.title ? "" : "acts"].join(" ").trim(),
        "data-title": column.title,
      }, column.cell(row)));
      const open = isOpen && isOpen(row);
      const line = h("tr", { role: "row", key: `row ${key}`, class: open ? "open" : "" }, cells);
      if (!open) return [line];
      return [line, h("tr", { role: "row", key: `more ${key}`, class: "more" },
        h("td", { role: "cell", colspan: columns.length }, opened(row)))];
    })));
}

// The name of a row, as a button that opens what is known of it.
export function opener(name, isOpen, click, more) {
  return h("button", {
    type: "button", class: "opener", "aria-expanded": String(Boolean(isOpen)), key: `open ${name}`, on: { click },
  }, h("span", { class: "name" }, name), more);
}

export function section(title, ...rest) {
  const [side, children] = rest[0] && rest[0].side ? [rest[0].side, rest.slice(1)] : [null, rest];
  return h("section", { key: `section ${title}` },
    h("div", { class: "head" }, h("h2", null, title), side && h("div", { class: "side" }, side)), children);
}

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}

export function empty(what, how) {
  return h("div", { class: "empty" }, h("p", null, what), how && h("p", { class: "quiet" }, how));
}

// What one piece of data looks like: loading, failed, or shown by `show`.
export function loaded(entry, retry, show) {
  if (entry && entry.value !== undefined) {
    return [entry.error && entry.error.kind === "said" && failure(entry.error, retry), show(entry.value)];
  }
  if (entry && entry.error && entry.error.kind === "said") return failure(entry.error, retry);
  return h("div", { class: "loading", role: "status" }, h("span", { class: "unseen" }, "Loading"),
    h("i"), h("i"), h("i"));
}

export function failure(error, retry) {
  return h("div", { class: "failure", role: "alert" }, h("p", null, error.message),
    retry && button("Try again", { click: retry }));
}

// Pages forwards and back; `pages` holds the cursors that led here.
export function pager({ answer, shown, pages, turn, what, size = 50 }) {
  const first = pages.length === 0;
  if (first && !answer.truncated) return null;
  const total = answer.total === undefined ? "" : ` of ${plural(answer.total, what[0], what[1])}`;
  const from = pages.length * size + 1;
  return h("nav", { class: "pager", "aria-label": `Pages of ${what[1]}` },
    button("Previous", { key: "previous", disabled: first, click: () => turn(pages.slice(0, -1)) }),
    button("Next", { key: "next", disabled: !answer.truncated, click: () => turn([...pages, answer.cursor]) }),
    h("span", { class: "quiet" }, `${count(from)}–${count(from + shown - 1)}${total}`));
}

export function search(label, value, changed) {
  return h("input", {
    type: "search", key: `search ${label}`, "aria-label": label, placeholder: label, value, spellcheck: "false",
    autocomplete: "off", on: { input: (event) => changed(event.target.value) },
  });
}
