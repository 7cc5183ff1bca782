// What was used, day by day and tool by tool, and how much of the budget that is.

import { h } from "./dom.js";
import { dayChart, everyDay, meter } from "./charts.js";
import { bytes, count, lasting, plural } from "./format.js";
import { ago, empty, facts, loaded, section, table } from "./parts.js";

const PERIODS = [["day", "Day"], ["week", "Week"], ["month", "Month"]];
const key = (s) => `usage ${s.ui.period || "week"}`;

export const usage = {
  id: "usage",
  title: "Usage",
  needs: (s) => [{ key: key(s), tool: "tenant_usage", args: { period: s.ui.period || "week" }, every: 60 }],
  render: (s) => [
    section("Usage", { side: periods(s) }, loaded(s.entry(key(s), "usage"), () => s.reload(key(s)), (told) => [
      budgets(told),
      h("h3", null, "Calls a day"), dayChart({ key: "calls", label: chartLabel(told), days: everyDay(told), series: callSeries }),
      h("h3", null, "Rows a day"), dayChart({ key: "rows", label: `Rows a day since ${told.since.slice(0, 10)}`, days: everyDay(told), series: [{ label: "rows", value: (each) => each.rows, ink: "good" }] }),
      h("details", null, h("summary", null, "The same as a table"), daily(told)),
    ])),
    section("By tool", loaded(s.entry(key(s), "usage"), () => s.reload(key(s)), (told) => (told.tools.length ? byTool(told) : empty("Nothing was called in this time.")))),
    section("Figures", loaded(s.entry(key(s), "usage"), () => s.reload(key(s)), (told) => figures(told))),
    cost((s.entry(key(s), "usage") || {}).value),
  ],
};

export const callSeries = [
  { label: "calls", value: (each) => each.calls, ink: "accent" },
  { label: "errors", value: (each) => each.errors, ink: "bad" },
];

export function chartLabel(told) {
  const calls = told.days.reduce((sum, each) => sum + each.calls, 0);
  const errors = told.days.reduce((sum, each) => sum + each.errors, 0);
  return `Calls a day: ${plural(calls, "call", "calls")} since ${told.since.slice(0, 10)}, ${count(errors)} of them failed`;
}

function periods(s) {
  const now = s.ui.period || "week";
  return h("span", { class: "switch", role: "group", "aria-label": "How far back" }, PERIODS.map(([period, label]) =>
    h("button", { type: "button", key: period, "aria-pressed": String(period === now), on: { click: () => s.set({ period }) } }, label)));
}

function daily(told) {
  return table({
    label: "Usage by day", rows: everyDay(told).reverse(), keyOf: (each) => each.day,
    columns: [
      { title: "Day", main: true, cell: (each) => each.day },
      { title: "Calls", num: true, cell: (each) => count(each.calls) },
      { title: "Errors", num: true, cell: (each) => count(each.errors) },
      { title: "Rows", num: true, cell: (each) => count(each.rows) },
    ],
  });
}

function byTool(told) {
  return table({
    label: "Usage by tool", rows: told.tools, keyOf: (each) => each.tool,
    columns: [
      { title: "Tool", main: true, cell: (each) => h("code", null, each.tool) },
      { title: "Calls", num: true, cell: (each) => count(each.calls) },
      { title: "Errors", num: true, cell: (each) => count(each.errors) },
      { title: "Rows", num: true, cell: (each) => count(each.rows) },
      { title: "Time", num: true, cell: (each) => lasting(each.seconds) },
      { title: "Tokens", num: true, cell: (each) => count(each.tokens) },
    ],
  });
}

// Of a limit: how much of it is used. Servers without budgets and quotas tell of none.
export function budgets(told) {
  const { limits = {}, warning, basis } = told.budget || {};
  const found = Object.entries(limits).filter(([, { used }]) => used !== null).map(([name, { used, limit, unit }]) => meter(`${words(name)} this month`, used, limit, `${count(used)} of ${count(limit)} ${unit || ""}`));
  for (const [name, limit] of Object.entries(told.quotas || {})) {
    const isBytes = name.endsWith("_bytes");
    found.push(meter(words(name), quotaUse(told, name), limit, `${(isBytes ? bytes : count)(quotaUse(told, name))} of ${(isBytes ? bytes : count)(limit)}`));
  }
  if (!found.length) return null;
  return [warning && h("p", { class: "error" }, warning), h("div", { class: "budgets" }, found), basis && h("p", { class: "quiet" }, basis)];
}

const words = (name) => name.replaceAll("_", " ");

function quotaUse(told, name) {
  if (name === "storage_bytes") return told.storage_bytes;
  if (name === "rows") return told.assets.reduce((sum, each) => sum + (each.row_count || 0), 0);
  const found = told.assets.find((each) => [`${each.kind}s`, `${each.kind}es`].includes(name));
  return found ? found.count : 0;
}

// Every figure says whether it was counted or estimated, and when.
function figures(told) {
  const given = told.figures || { storage_bytes: { value: told.storage_bytes, is_exact: told.is_exact, as_of: told.as_of, note: told.storage_note } };
  return table({
    label: "Figures", rows: Object.entries(given), keyOf: ([name]) => name,
    columns: [
      { title: "Figure", main: true, cell: ([name]) => words(name.replace(/_bytes$/, "")) },
      { title: "Value", num: true, cell: ([name, { value }]) => (name.endsWith("_bytes") ? bytes(value) : count(value)) },
      { title: "Kind", cell: ([, { is_exact }]) => (is_exact ? "exact" : "estimated") },
      { title: "As of", cell: ([, { as_of }]) => ago(as_of || told.as_of) },
      { title: "Note", cell: ([, { note }]) => note || "" },
    ],
  });
}

function cost(told) {
  if (!told || !told.cost) return null;
  const { state, list_cost, dbus, currency, is_exact, covered_until, why, next, products, estimated_since } = told.cost;
  return section("Cost on Databricks",
    facts([["State", state], ["List cost", list_cost !== undefined && `${list_cost.toFixed(2)} ${currency || ""}`], ["DBUs", dbus === undefined ? null : count(dbus)],
      ["Kind", is_exact === undefined ? null : is_exact ? "exact" : "estimated"], ["Billed until", covered_until && ago(covered_until)], ["Why", why], ["What next", next],
      ...Object.entries(estimated_since || {}).filter(([name, value]) => name !== "is_exact" && typeof value !== "object").map(([name, value]) => [`${words(name)}, not billed yet`, String(value)])]),
    (products || []).length > 0 && table({
      label: "Cost by product", rows: products, keyOf: (each) => `${each.product} ${each.is_exact}`,
      columns: [
        { title: "Product", main: true, cell: (each) => each.product },
        { title: "DBUs", num: true, cell: (each) => count(each.dbus) },
        { title: "List cost", num: true, cell: (each) => (each.list_cost === undefined ? "–" : each.list_cost.toFixed(2)) },
        { title: "Kind", cell: (each) => (each.is_exact ? "exact" : "estimated") },
      ],
    }));
}
