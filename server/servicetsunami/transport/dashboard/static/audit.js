// The end of the audit record: who did what, and how it ended. Shown where the server offers it.

import { h } from "./dom.js";
import { ago, badge, empty, loaded, section, table } from "./parts.js";

export const AUDIT = "lake://audit";

export const audit = {
  id: "audit",
  title: "Audit",
  needs: () => [{ key: AUDIT, uri: AUDIT, every: 30 }],
  render: (s) => section("Audit", loaded(s.entry(AUDIT), () => s.reload(AUDIT), (told) => {
    const records = entries(told);
    return records.length ? rows(records) : empty("Nothing has been recorded yet.");
  })),
};

function entries(told) {
  const given = JSON.parse(told.text || "[]");
  const list = Array.isArray(given) ? given : given.records || given.entries || given.items || [];
  return list.map((each, index) => ({ index, at: each.at || each.created_at || each.started_at, ...each }));
}

function rows(records) {
  return table({
    label: "Audit", rows: records, keyOf: (each) => each.id ?? each.sequence ?? each.index,
    columns: [
      { title: "What", main: true, cell: (each) => h("code", null, each.name || each.operation || each.tool || "") },
      { title: "Who", cell: (each) => each.subject || "–" },
      { title: "When", cell: (each) => ago(each.at) },
      { title: "Outcome", cell: (each) => badge(each.outcome || "–") },
      { title: "Error", cell: (each) => each.error || "" },
      { title: "By way of", cell: (each) => each.door || "" },
    ],
  });
}
