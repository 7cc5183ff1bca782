// The datasets, and how far each is on its way to Databricks.

import { h } from "./dom.js";
import { assetSection, describeNeed, listNeed, opened, syncActions } from "./assets.js";
import { bytes, count } from "./format.js";
import { grid } from "./outputs.js";
import { ago, facts } from "./parts.js";

export const datasets = {
  id: "datasets",
  title: "Datasets",
  needs: (s) => [listNeed(s, "dataset"), ...(s.ui.open ? [describeNeed("dataset", opened(s).name)] : [])],
  render: (s) => assetSection(s, {
    kind: "dataset", title: "Datasets", many: ["dataset", "datasets"], detail,
    none: ["No datasets yet.", "ingest_dataset makes one from a file, an address or rows."],
    columns: [
      { title: "Rows", num: true, cell: (each) => count(each.row_count) },
      { title: "Size", num: true, cell: (each) => bytes(each.size_bytes) },
      { title: "Columns", num: true, cell: (each) => count((each.columns || []).length) },
      { title: "Version", num: true, cell: (each) => each.version },
    ],
  }),
};

function detail(s, name, told) {
  const columns = told.columns || [];
  return [
    syncActions(s, "dataset", name, told.sync),
    told.sync && told.sync.error && h("p", { class: "error" }, told.sync.error),
    facts([["Full name", told.full_name], ["Where", told.where], ["From", told.origin], ["Copy of", told.pulled && told.pulled.table],
      ["Sent", told.sync && told.sync.version !== undefined && `version ${told.sync.version}`]]),
    h("h3", null, "Columns"),
    scrolling("Columns", grid(["name", "type", "nulls", "min", "max"], columns.map((each) => [each.name, each.type, each.nulls ?? "", each.min ?? "", each.max ?? ""]))),
    (told.sample || []).length > 0 && [h("h3", null, "Sample"), scrolling("Sample", grid(columns.map((each) => each.name), told.sample))],
    (told.versions || []).length > 0 && [h("h3", null, "Versions"), h("ol", { class: "lines" }, told.versions.map((each) =>
      h("li", { key: each.version }, h("b", null, each.version), h("span", { class: "quiet" }, each.operation), h("span", { class: "num" }, `${count(each.row_count)} rows`), ago(each.at))))],
  ];
}

const scrolling = (label, child) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, child);
