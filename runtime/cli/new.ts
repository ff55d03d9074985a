/** `fn new`: writes a function that works, and its test that passes. */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { OperatorError } from "../house.ts";

export const kinds = ["http", "queue", "schedule", "smtp"] as const;
type NewKind = (typeof kinds)[number];

/** Writes `functions/<name>.ts` and its test. Never overwrites. */
export async function createFunction(root: string, kind: string, name: string): Promise<void> {
  if (!isKind(kind)) throw new OperatorError(`"${kind}" is no kind of function. Choose one of ${kinds.join(", ")}.`);
  if (!/^[a-z\d][a-z\d-]*(\/[a-z\d][a-z\d-]*)*$/.test(name)) {
    throw new OperatorError(`"${name}" is no name for a function. Use small letters, digits and -, such as crm/hello.`);
  }
  const file = join(root, "functions", `${name}.ts`);
  const testFile = file.replace(/\.ts$/, ".test.ts");
  for (const path of [file, testFile]) {
    if (existsSync(path)) throw new OperatorError(`${relative(root, path)} exists already.`);
  }
  const depth = "../".repeat(name.split("/").length);
  const { code, test } = templates[kind](name, depth);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, code, { flag: "wx" });
  await writeFile(testFile, test, { flag: "wx" });
  process.stdout.write(`functions/${name}.ts and its test are written. Try: npx fn list\n`);
}

function isKind(kind: string): kind is NewKind {
  return kinds.some((one) => one === kind);
}

const templates: Record<NewKind, (name: string, depth: string) => { code: string; test: string }> = {
  http: (name, depth) => ({
    code: `import { Type } from "typebox";
import { anyone, http } from "#runtime";

const Greeting = Type.Object({ greeting: Type.String() });

export default http
  .get("/${name}", {
    summary: "Greet someone",
    access: anyone,
    query: Type.Object({ name: Type.String({ default: "world", maxLength: 100 }) }),
    returns: Greeting,
  })
  .handle(async ({ query }) => ({ greeting: \`Hello, \${query.name}\` }));
`,
    test: `import { test } from "uvu";
import * as assert from "uvu/assert";
import { tryFunction } from "${depth}runtime/testing.ts";
import fn from "./${base(name)}.ts";

test("greets by name", async () => {
  const response = await tryFunction(fn).fetch("/${name}?name=Ada");
  assert.is(response.status, 200);
  assert.equal(await response.json(), { greeting: "Hello, Ada" });
});

test.run();
`,
  }),
  queue: (name, depth) => ({
    code: `import { Type } from "typebox";
import { queue } from "#runtime";

const Message = Type.Object({ text: Type.String() });

export default queue("${name.replaceAll("/", "-")}", { message: Message, retry: [1, 5, 30] }).handle(async ({ message }, ctx) => {
  ctx.log.info({ length: message.text.length }, "message handled");
});
`,
    test: `import { test } from "uvu";
import * as assert from "uvu/assert";
import { tryFunction } from "${depth}runtime/testing.ts";
import fn from "./${base(name)}.ts";

test("handles a message", async () => {
  assert.equal(await tryFunction(fn).deliver({ text: "hello" }), { kind: "done" });
});

test("gives up a message that it does not understand", async () => {
  const outcome = await tryFunction(fn).deliver({ text: 42 });
  assert.is(outcome.kind, "dead");
});

test.run();
`,
  }),
  schedule: (name, depth) => ({
    code: `import { schedule } from "#runtime";

export default schedule("*/5 * * * *", { summary: "Every five minutes" }).handle(async ({ at }, ctx) => {
  ctx.log.info({ at }, "tick");
});
`,
    test: `import { test } from "uvu";
import { tryFunction } from "${depth}runtime/testing.ts";
import fn from "./${base(name)}.ts";

test("runs a tick", async () => {
  await tryFunction(fn).tick(new Date("2026-01-01T00:00:00Z"));
});

test.run();
`,
  }),
  smtp: (name, depth) => ({
    code: `import { smtp, thisMachine } from "#runtime";

export default smtp({ summary: "Take mail", port: 2600, access: thisMachine }).handle(
  async ({ envelope, message }, ctx) => {
    let bytes = 0;
    for await (const piece of message) bytes += piece.length;
    ctx.log.info({ recipients: envelope.to.length, bytes }, "mail taken");
    return { text: "Ok" };
  },
);
`,
    test: `import { test } from "uvu";
import * as assert from "uvu/assert";
import { tryFunction } from "${depth}runtime/testing.ts";
import fn from "./${base(name)}.ts";

test("takes a mail from this machine, and from no other", async () => {
  const message = "Subject: Hello\\r\\n\\r\\nIt works.\\r\\n";
  assert.equal(await tryFunction(fn).receive({ message }), { text: "Ok" });
  const session = { remoteAddress: "192.0.2.1" };
  const elsewhere = tryFunction(fn).receive({ message, session });
  assert.instance(await elsewhere.catch((error: unknown) => error), Error);
});

test.run();
`,
  }),
};

function base(name: string): string {
  return name.split("/").at(-1) ?? name;
}
