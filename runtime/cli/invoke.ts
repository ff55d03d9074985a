/** `fn invoke`: runs one function once, with the real resources and without a port. */
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { callSource } from "../host/call.ts";
import { OperatorError } from "../house.ts";
import type { HttpFunction } from "../http.ts";
import { createRuntime } from "../runtime.ts";
import { withHouse, type Opened, type Session } from "./session.ts";

export interface InvokeArgs {
  name: string;
  data?: string | undefined;
  param?: string | undefined;
  token?: string | undefined;
}

/** Prints the reply; the exit code is 1 when it was a problem. */
export async function invoke(session: Session, args: InvokeArgs): Promise<void> {
  const data = await readData(args.data);
  await withHouse(session.house, async (opened) => {
    const { root, house } = session;
    const { resources, log, metrics } = opened;
    const settings = { ...house.settings(resources), functions: ["**"] };
    const { title, version } = house;
    const runtime = await createRuntime({ root, title, version, settings, resources, log, metrics });
    const loaded = runtime.get(args.name);
    if (!loaded) {
      const folder = args.name.slice(0, args.name.lastIndexOf("/") + 1);
      const near = runtime.list().flatMap((row) => (row.function.startsWith(folder) ? [row.function] : []));
      throw new OperatorError(
        `There is no function ${args.name}. There are: ${near.join(", ") || "none in that folder"}.`,
      );
    }
    const { definition } = loaded;
    try {
      if (definition.kind === "http") {
        const response = await runtime.fetch(await request(session, opened, definition, args, data));
        print(await response.text());
        if (response.status >= 400) process.exitCode = 1;
        return;
      }
      if (definition.kind === "smtp") throw new OperatorError("An SMTP function needs a connection: send it a mail.");
      const ctx = runtime.host.newContext(callSource(log, { function: args.name }));
      const input =
        definition.kind === "queue"
          ? { message: data === undefined ? undefined : JSON.parse(data), attempt: 1 }
          : { at: new Date() };
      const outcome: unknown = await definition.handler(input as never, ctx);
      print(JSON.stringify(outcome ?? { kind: "done" }));
    } finally {
      await runtime.stop();
    }
  });
}

async function request(
  { house }: Session,
  { resources }: Opened,
  definition: HttpFunction,
  args: InvokeArgs,
  data: string | undefined,
): Promise<Request> {
  const given = new URLSearchParams(args.param ?? "");
  const path = definition.path.replaceAll(/:([^/]+)/g, (_whole, name: string) => {
    const value = given.get(name);
    if (value === null) throw new OperatorError(`${definition.path} needs --param ${name}=…`);
    given.delete(name);
    return encodeURIComponent(value);
  });
  const headers = new Headers(args.token === undefined ? await house.invokeHeaders?.(resources) : {});
  if (args.token !== undefined) headers.set("authorization", `Bearer ${args.token}`);
  if (data !== undefined) headers.set("content-type", "application/json");
  const query = given.size > 0 ? `?${given}` : "";
  return new Request(`http://localhost${path}${query}`, {
    method: definition.method,
    headers,
    ...(data !== undefined && { body: data }),
  });
}

async function readData(data: string | undefined): Promise<string | undefined> {
  if (!data?.startsWith("@")) return data;
  if (data === "@-") return text(process.stdin);
  try {
    return await readFile(data.slice(1), "utf8");
  } catch {
    throw new OperatorError(`--data ${data}: the file cannot be read`);
  }
}

function print(json: string): void {
  let value: unknown = json;
  try {
    value = JSON.parse(json);
  } catch {
    // Not JSON: shown as it is.
  }
  process.stdout.write(`${typeof value === "string" ? value : JSON.stringify(value, undefined, 2)}\n`);
}
