// The vector indexes and the model endpoints.

import { h } from "./dom.js";
import { bytes, count } from "./format.js";
import { elsewhere, listKey, listNeed, nothing, searching, syncActions, toggling, turning } from "./datasets.js";
import { ago, facts, loaded, opener, section, syncBadge, table } from "./parts.js";

const KINDS = [
  { kind: "index", title: "Indexes", one: "index", what: "No indexes yet.", how: "index_documents makes one of texts, files or a dataset's column." },
  { kind: "endpoint", title: "Endpoints", one: "endpoint", what: "No endpoints yet.", how: "deploy_model serves a model under a name." },
];

export const models = {
  id: "models",
  title: "Search & models",
  needs: (s) => [
    ...KINDS.map(({ kind }) => listNeed(s, kind)),
    ...(s.ui.open ? [{ key: s.ui.open, tool: "describe_asset", args: asked(s.ui.open), every: 60 }] : []),
  ],
  render: (s) => KINDS.map((each, index) => section(each.title, ...(index ? [] : [{ side: searching(s, "Search both") }]),
    loaded(s.entry(listKey(s, each.kind), each.kind), () => s.reload(listKey(s, each.kind)), (answer) => [
      answer.assets.length ? rows(s, each, answer.assets) : nothing(s, each.what, each.how),
      index === 0 ? turning(s, answer, ["index", "indexes"]) : null,
      elsewhere(answer),
    ]))),
};

function asked(key) {
  const at = key.indexOf(" ");
  return { kind: key.slice(0, at), name: key.slice(at + 1) };
}

function rows(s, { kind, title }, assets) {
  const keyOf = (each) => `${kind} ${each.name}`;
  const own = kind === "index" ? [{ title: "Documents", num: true, cell: (each) => count(each.row_count) }] : [];
  return table({
    label: title, rows: assets, keyOf, isOpen: (each) => keyOf(each) === s.ui.open, opened: (each) => detail(s, kind, each.name),
    columns: [
      { title: "Name", main: true, cell: (each) => opener(each.name, keyOf(each) === s.ui.open, toggling(s, keyOf(each))) },
      { title: "Sync", cell: (each) => syncBadge(each.sync, s.isConnected()) },
      ...own,
      { title: "Size", num: true, cell: (each) => bytes(each.size_bytes) },
      { title: kind === "index" ? "Version" : "Revision", num: true, cell: (each) => each.version },
      { title: "Changed", cell: (each) => ago(each.updated_at) },
    ],
  });
}

function detail(s, kind, name) {
  const key = `${kind} ${name}`;
  return loaded(s.entry(key), () => s.reload(key), (told) => [
    syncActions(s, kind, name, told.sync, false),
    facts([["Where", told.where], ...Object.entries(told[kind] || {}).filter(([, value]) => typeof value !== "object").map(([label, value]) => [label.replaceAll("_", " "), String(value)])]),
    told[kind] && h("details", null, h("summary", null, "Everything"), h("pre", { tabindex: "0", role: "region", "aria-label": `All of ${name}` }, JSON.stringify(told[kind], null, 2))),
  ]);
}
