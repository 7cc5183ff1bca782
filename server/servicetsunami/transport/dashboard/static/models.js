// The vector indexes and the model endpoints.

import { h } from "./dom.js";
import { assetSection, describeNeed, listNeed, opened, syncActions } from "./assets.js";
import { bytes, count } from "./format.js";
import { facts } from "./parts.js";

const KINDS = [
  { kind: "index", title: "Indexes", many: ["index", "indexes"], none: ["No indexes yet.", "index_documents makes one of texts, files or a dataset's column."] },
  { kind: "endpoint", title: "Endpoints", many: ["endpoint", "endpoints"], none: ["No endpoints yet.", "deploy_model serves a model under a name."] },
];

export const models = {
  id: "models",
  title: "Search & models",
  needs: (s) => {
    const open = opened(s);
    return [...KINDS.map(({ kind }) => listNeed(s, kind)), ...(open ? [describeNeed(open.kind, open.name)] : [])];
  },
  render: (s) => KINDS.map((each, index) => assetSection(s, {
    ...each, searched: index === 0 && "both", detail: detailOf(each.kind),
    columns: [
      each.kind === "index" && { title: "Documents", num: true, cell: ({ row_count }) => count(row_count) },
      { title: "Size", num: true, cell: ({ size_bytes }) => bytes(size_bytes) },
      { title: each.kind === "index" ? "Version" : "Revision", num: true, cell: ({ version }) => version },
    ].filter(Boolean),
  })),
};

const detailOf = (kind) => (s, name, told) => [
  syncActions(s, kind, name, told.sync, false),
  facts([["Where", told.where], ...Object.entries(told[kind] || {}).filter(([, value]) => typeof value !== "object").map(([label, value]) => [label.replaceAll("_", " "), String(value)])]),
  told[kind] && h("details", null, h("summary", null, "Everything"), h("pre", { tabindex: "0", role: "region", "aria-label": `All of ${name}` }, JSON.stringify(told[kind], null, 2))),
];
