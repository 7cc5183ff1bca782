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
  const marked = /^<(data-[0-9a-f]+)>([^]*)<\/\1>$/.exec(told.text || "[]");
  const given = JSON.parse(marked ? marked[2] : told.text || "[]");
  return Array.isArray(given) ? given : Object.values(given).find(Array.isArray) || [];
}

function rows(records) {
  return table({
    label: "Audit", rows: records, keyOf: (each) => each.number,
    columns: [
      { title: "What", main: true, cell: (each) => h("code", null, each.operation) },
      { title: "Outcome", cell: (each) => h("span", { title: each.error }, badge(each.outcome), each.error && ` ${each.error}`) },
      { title: "Who", cell: (each) => each.subject || "–" },
      { title: "On", cell: (each) => h("span", { class: "name" }, (each.assets || []).join(", ")) },
      { title: "By", cell: (each) => each.door || "" },
      { title: "When", cell: (each) => ago(each.at) },
    ],
  });
}
