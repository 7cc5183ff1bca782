// The main job as a client of the official TypeScript SDK 1.x does it, over stdio.
//
// Usage, in the folder that has node_modules: node main_job.mjs WORK_DIR COMMAND ARGUMENT...
// The SDK checks every structuredContent against the tool's outputSchema by itself.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "package.json"));
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
const { ElicitRequestSchema } = require("@modelcontextprotocol/sdk/types.js");

const [workDir, command, ...args] = process.argv.slice(2);
const ROWS = 1000;
const TOOLS = ["list_assets", "describe_asset", "query_dataset", "ingest_dataset", "delete_asset"];

async function connect(capabilities) {
  const client = new Client({ name: "main-job", version: "1.0.0" }, { capabilities });
  const env = { ...process.env, SERVICETSUNAMI_DATA_DIR: join(workDir, "data"),
    SERVICETSUNAMI_ALLOWED_ROOTS: workDir };
  await client.connect(new StdioClientTransport({ command, args, env, stderr: "inherit" }));
  return client;
}

async function call(client, name, args) {
  const result = await client.callTool({ name, arguments: args });
  assert.ok(!result.isError, `${name}: ${result.content?.[0]?.text}`);
  assert.deepEqual(JSON.parse(unmarked(result.content[0].text)), result.structuredContent,
    `${name}: the text and the structured answer differ`);
  return result.structuredContent;
}

async function refusal(client, name, args) {
  const result = await client.callTool({ name, arguments: args });
  assert.equal(result.isError, true, `${name} should have been refused`);
  return unmarked(result.content[0].text);
}

// A model reads answers between marks that their content cannot know.
function unmarked(text) {
  return text.replace(/<\/?data-[0-9a-f]{8}>/g, "");
}

async function step(sentence, work) {
  await work();
  console.log(sentence);
}

function order(i) {
  const day = String((i % 28) + 1).padStart(2, "0");
  return `${i + 1},${["north", "south"][i % 2]},${(i * 1.25).toFixed(2)},2026-01-${day}`;
}

function writeOrders() {
  const path = join(workDir, "orders.csv");
  const lines = ["id,region,amount,day", ...Array.from({ length: ROWS }, (_, i) => order(i))];
  writeFileSync(path, lines.join("\n") + "\n");
  return path;
}

async function mainJob() {
  const client = await connect({});
  await step("connects, and reads the instructions", async () => {
    assert.equal(client.getServerVersion().name, "servicetsunami");
    assert.ok(client.getInstructions().length < 2000);
  });
  await step("lists the tools, each with title, hints and both schemas", async () => {
    const { tools } = await client.listTools();
    for (const name of TOOLS) assert.ok(tools.some((tool) => tool.name === name), name);
    for (const tool of tools) {
      assert.ok(tool.title && tool.outputSchema && tool.description, tool.name);
      assert.equal(typeof tool.annotations.readOnlyHint, "boolean");
    }
  });
  await step("ingests a CSV file", async () => {
    const done = await call(client, "ingest_dataset", { source: writeOrders(), name: "orders" });
    assert.equal(done.rows_written, ROWS);
    assert.equal(done.rejected_rows, 0);
    assert.deepEqual(done.columns.map((column) => column.name), ["id", "region", "amount", "day"]);
  });
  await step("queries it with parameters", async () => {
    const answer = await call(client, "query_dataset", {
      sql: `SELECT region, count(*) AS orders FROM orders WHERE id <= :last
        GROUP BY region ORDER BY region`,
      parameters: { last: 100 } });
    assert.deepEqual(answer.rows, [["north", 50], ["south", 50]]);
    assert.equal(answer.ran_on, "local");
    assert.equal(answer.truncated, false);
  });
  await step("reads a long result page by page", async () => {
    const seen = [];
    let page = await call(client, "query_dataset",
      { sql: "SELECT id FROM orders ORDER BY id", max_rows: 400 });
    seen.push(...page.rows.flat());
    assert.equal(page.row_count, ROWS);
    while (page.truncated) {
      page = await call(client, "query_dataset", { cursor: page.cursor, max_rows: 400 });
      seen.push(...page.rows.flat());
    }
    assert.deepEqual(seen, Array.from({ length: ROWS }, (_, i) => i + 1));
  });
  await step("is told what to do about wrong SQL", async () => {
    const column = await refusal(client, "query_dataset", { sql: "SELECT amont FROM orders" });
    assert.match(column, /amont/);
    assert.match(column, /amount/);
    assert.match(await refusal(client, "query_dataset", { sql: "SELECT * FROM ordrs" }), /orders/);
    assert.ok(await refusal(client, "query_dataset", { sql: "DROP TABLE orders" }));
  });
  await step("describes it, also as a resource", async () => {
    const described = await call(client, "describe_asset", { kind: "dataset", name: "orders" });
    assert.equal(described.row_count, ROWS);
    assert.ok(described.sample.length > 0);
    const { contents } = await client.readResource({ uri: "lake://datasets/default.orders" });
    assert.equal(JSON.parse(unmarked(contents[0].text)).row_count, ROWS);
  });
  await step("completes its name", async () => {
    const { completion } = await client.complete({
      ref: { type: "ref/resource", uri: "lake://datasets/{schema}.{table}" },
      argument: { name: "table", value: "ord" }, context: { arguments: { schema: "default" } } });
    assert.deepEqual(completion.values, ["orders"]);
  });
  await step("deletes it once the name is typed again", async () => {
    await refusal(client, "delete_asset", { kind: "dataset", name: "orders" });
    await refusal(client, "delete_asset", { kind: "dataset", name: "orders", confirm: "order" });
    await call(client, "delete_asset", { kind: "dataset", name: "orders", confirm: "orders" });
    assert.equal((await call(client, "list_assets", {})).total, 0);
  });
  await client.close();
}

const NOTEBOOK = `# Databricks notebook source
dbutils.widgets.text("who", "world")
print("hello", dbutils.widgets.get("who"))

# COMMAND ----------

dbutils.notebook.exit(lake.sql("SELECT count(*) AS n FROM numbers").n[0])
`;

async function notebooks() {
  const client = await connect({});
  await call(client, "ingest_dataset", { source: [{ n: 1 }, { n: 2 }], name: "numbers" });
  await step("saves a notebook, and gets it back byte for byte", async () => {
    const saved = await call(client, "save_notebook", { name: "team/first", content: NOTEBOOK });
    assert.equal(saved.cells, 2);
    const { contents } = await client.readResource({ uri: "lake://notebooks/team/first" });
    assert.equal(unmarked(contents[0].text), NOTEBOOK);
  });
  await step("runs it with parameters, and is told of each cell meanwhile", async () => {
    const told = [];
    const result = await client.callTool(
      { name: "run_notebook", arguments: { name: "team/first", parameters: { who: "Ann" } } },
      undefined, { onprogress: (progress) => told.push(progress.progress) });
    const run = result.structuredContent;
    assert.equal(run.state, "SUCCESS", JSON.stringify(run));
    assert.equal(run.exit_value, "2");
    assert.equal(run.cells[0].outputs[0].text, "hello Ann\n");
    assert.ok(told.length > 0);
  });
  await step("follows a long run, and stops it", async () => {
    const content = "print('begun')\nwhile True: pass";
    const going = call(client, "run_notebook", { content });
    let listed = [];
    while (!listed.length) {
      ({ runs: listed } = await call(client, "get_run", { state: "RUNNING" }));
    }
    const runId = listed[0].run_id;
    const stopped = await call(client, "cancel_run", { run_id: runId });
    assert.equal(stopped.state, "CANCELED");
    assert.equal((await going).state, "CANCELED");
    const { run } = await call(client, "get_run", { run_id: runId });
    assert.equal(run.state, "CANCELED");
    await call(client, "delete_asset", { kind: "notebook", name: "team/first",
      confirm: "team/first" });
    await call(client, "delete_asset", { kind: "dataset", name: "numbers", confirm: "numbers" });
  });
  await client.close();
}

async function jobs() {
  const client = await connect({});
  const tasks = [
    { task_key: "make", sql_task: { statement: "CREATE TABLE made AS SELECT 1 AS n" } },
    { task_key: "is_one", depends_on: [{ task_key: "make" }],
      condition_task: { op: "EQUAL_TO", left: "{{job.parameters.n}}", right: "1" } },
    { task_key: "more", depends_on: [{ task_key: "is_one", outcome: "true" }],
      sql_task: { statement: "INSERT INTO made SELECT CAST(:n AS INT) + 1" } },
    { task_key: "fails", depends_on: [{ task_key: "more" }],
      sql_task: { statement: "SELECT * FROM later" } },
  ];
  await step("saves a job, and is told in words when it fires", async () => {
    const saved = await call(client, "create_job", { name: "nightly", tasks,
      parameters: { n: "1" },
      schedule: { quartz_cron_expression: "0 0 6 ? * MON-FRI", timezone_id: "Europe/Berlin" } });
    assert.equal(saved.schedule, "At 06:00, Monday through Friday (Europe/Berlin)");
    assert.equal(saved.next_fire_times.length, 5);
  });
  let run;
  await step("runs it, and reads the states of its tasks", async () => {
    ({ run } = await call(client, "run_job", { name: "nightly" }));
    assert.equal(run.state, "FAILED");
    assert.deepEqual(run.tasks.map((task) => task.state),
      ["SUCCESS", "SUCCESS", "SUCCESS", "FAILED"]);
    assert.match(run.tasks[3].error, /later/);
  });
  await step("repairs it once the cause is mended", async () => {
    await call(client, "ingest_dataset", { source: [{ n: 1 }], name: "later" });
    ({ run } = await call(client, "run_job", { repair_run_id: run.run_id }));
    assert.equal(run.state, "SUCCESS");
    assert.equal(run.repairs, 1);
  });
  await step("sees which run wrote a version, and deletes everything", async () => {
    const { runs } = await call(client, "describe_asset", { name: "made" });
    assert.deepEqual(runs.map((each) => [each.did, each.version]), [["wrote", 1], ["wrote", 0]]);
    await call(client, "delete_asset", { kind: "job", name: "nightly", confirm: "nightly" });
    for (const name of ["made", "later"]) {
      await call(client, "delete_asset", { name, confirm: name });
    }
  });
  await client.close();
}

async function documents() {
  const client = await connect({});
  const source = [
    { id: "pw", text: "To reset a forgotten password, open the account page.", lang: "en" },
    { id: "rain", text: "Heavy rain is expected in the north tomorrow.", lang: "en" },
    { id: "E42", text: "Error E42 means that the disk of the printer is full.", lang: "de" },
  ];
  const found = async (more) => {
    const { hits } = await call(client, "search_vectors", { index: "help", ...more });
    return hits.map((hit) => hit.id);
  };
  await step("indexes documents, and finds them by meaning, words and filters", async () => {
    const done = await call(client, "index_documents", { index: "help", source });
    assert.equal(done.passages, 3);
    const query = "I cannot log in because I do not remember my credentials";
    assert.equal((await found({ query }))[0], "pw");
    assert.deepEqual(await found({ query: "E42", mode: "keyword" }), ["E42"]);
    assert.deepEqual(await found({ query, filters: { lang: "de" } }), ["E42"]);
  });
  await step("indexes a file, takes documents out, and deletes the index", async () => {
    writeFileSync(join(workDir, "owls.md"), "# Owls\n\nOwls hunt at night.\n");
    const done = await call(client, "index_documents", { index: "help", source: "owls.md",
      delete: ["rain"] });
    assert.deepEqual([done.documents, done.deleted], [1, 1]);
    assert.deepEqual(await found({ query: "owls", mode: "keyword" }), ["owls.md"]);
    await call(client, "delete_asset", { kind: "index", name: "help", confirm: "help" });
  });
  await step("deploys a model, asks it, and has it score a dataset", async () => {
    const deployed = await call(client, "deploy_model", { name: "age", source: "age.onnx" });
    assert.equal(deployed.state, "READY");
    const { predictions } = await call(client, "invoke_model", { name: "age",
      input: { inputs: [[1, 2], [3, 4]] } });
    assert.deepEqual(predictions.flat().map(Math.round), [4, 10]);
    await call(client, "ingest_dataset", { source: [{ a: 1, b: 2 }], name: "people" });
    const scored = await call(client, "invoke_model", { name: "age",
      input: { dataset: "people" }, output: "scored" });
    assert.equal(scored.rows, 1);
    await call(client, "delete_asset", { kind: "endpoint", name: "age", confirm: "age" });
    for (const name of ["people", "scored"]) {
      await call(client, "delete_asset", { name, confirm: name });
    }
  });
  await client.close();
}

async function elicitation() {
  const client = await connect({ elicitation: {} });
  const asked = [];
  let answer = { action: "decline" };
  client.setRequestHandler(ElicitRequestSchema, async (request) => {
    asked.push(request.params);
    return answer;
  });
  const target = { kind: "dataset", name: "leftovers" };
  await call(client, "ingest_dataset", { source: [{ a: 1 }], name: "leftovers" });
  await step("asks the person before it deletes, and takes no for an answer", async () => {
    await refusal(client, "delete_asset", target);
    assert.match(asked[0].message, /leftovers/);
    assert.equal(asked[0].requestedSchema.properties.confirm.type, "string");
    assert.equal((await call(client, "list_assets", {})).total, 1);
  });
  await step("does not delete when the name that the person types is another", async () => {
    answer = { action: "accept", content: { confirm: "something" } };
    await refusal(client, "delete_asset", target);
    assert.equal((await call(client, "list_assets", {})).total, 1);
  });
  await step("deletes when the person types its name", async () => {
    answer = { action: "accept", content: { confirm: "leftovers" } };
    await call(client, "delete_asset", target);
    assert.equal((await call(client, "list_assets", {})).total, 0);
    assert.equal(asked.length, 3);
  });
  await client.close();
}

await mainJob();
await notebooks();
await jobs();
await documents();
await elicitation();
