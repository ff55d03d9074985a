/** A real context for tests of `lib/`: the house's own wiring, on a fresh database and in a folder of its own. */
import { pino } from "pino";
import house from "../../runtime.config.ts";
import { Caller } from "../../lib/auth/caller.ts";
import type { MailInput } from "../../lib/mail/draft.ts";
import type { Clock, Context } from "../../runtime/context.ts";
import { callSource, systemClock, type HostCall } from "../../runtime/host/call.ts";
import { Metrics } from "../../runtime/host/metrics.ts";
import { bareSettings, createHost } from "../../runtime/host/create.ts";
import { freshDatabase, temporaryFolder } from "./test.ts";

/** Stands in everything that must never be logged; a context whose log has it does not close. */
export const confidential = "Confidential";

export interface TestContextOptions {
  /** Variables of the environment, over those of the test. Without RABBITMQ_URL the broker is away; "" is pg-boss. */
  env?: Readonly<Record<string, string>>;
  clock?: Partial<Clock>;
}

export interface TestContext {
  readonly ctx: Context;
  /** The database's address, and the folder of all that is kept as files. */
  readonly url: string;
  readonly folder: string;
  /** The log, a JSON line each. */
  readonly log: readonly string[];
  /** A context of its own, as each call gets: with a signal that can be aborted. */
  newCall(): HostCall & Context;
  /** Resolves when what was deferred is done. */
  settled(): Promise<void>;
  /** Must not be in the log either. */
  keepSecret(text: string): void;
  /** @throws when the log has something confidential. */
  close(): Promise<void>;
}

/** Opens everything as a process of the system does. */
export async function openContext({ env = {}, clock = {} }: TestContextOptions = {}): Promise<TestContext> {
  const [url, folder] = await Promise.all([
    env["DATABASE_URL"] ?? freshDatabase(),
    env["DATA_DIR"] ?? temporaryFolder(),
  ]);
  const lines: string[] = [];
  const secrets = [confidential];
  const log = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
  const config = house.readConfig({
    APP_ENV: "test",
    DATA_DIR: folder,
    DATABASE_URL: url,
    DATABASE_POOL_SIZE: "5",
    RABBITMQ_URL: "amqp://127.0.0.1:1",
    JWT_SECRET: `${confidential} signing secret`,
    RATE_LIMIT_DEPARTMENT_PER_MINUTE: "0",
    RATE_LIMIT_CLIENT_MAILS_PER_HOUR: "0",
    RATE_LIMIT_RECIPIENT_PER_HOUR: "0",
    ...env,
  });
  const owned: { close(): Promise<void> }[] = [];
  const closeAll = async (): Promise<void> => {
    for (const resource of owned.splice(0).toReversed()) await resource.close();
  };
  const own = <T extends { close(): Promise<void> }>(resource: T): T => {
    owned.push(resource);
    return resource;
  };
  try {
    const resources = await house.open(config, { log, metrics: new Metrics(), purpose: "tool", own });
    const settings = { ...bareSettings, broker: resources.broker };
    const host = createHost({ settings, resources, log, clock: { ...systemClock, ...clock } }, new Metrics());
    const newCall = () => host.newContext(callSource(log, {}));
    return {
      ctx: newCall(),
      newCall,
      url,
      folder,
      log: lines,
      settled: () => host.settled(),
      keepSecret: (text) => void secrets.push(text),
      async close() {
        await host.settled();
        host.timeLimits.close();
        await closeAll();
        const told = lines.find((line) => secrets.some((secret) => line.includes(secret)));
        if (told !== undefined) throw new Error(`The log tells what is confidential: ${told}`);
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** A mail as a client sends it. */
export function aMail(given: Partial<MailInput> = {}): MailInput {
  return {
    from: "sales@acme.example",
    to: ["ann@example.com"],
    subject: `${confidential}: the offer`,
    body: `${confidential}: 42 each`,
    ...given,
  };
}

/** A client that may do what `permissions` say. */
export function aCaller(clientId = "client_sales", permissions = ["mail:send", "mail:read"]): Caller {
  return new Caller({ id: "", client_id: clientId, client_name: `The ${clientId}`, department: null, permissions });
}
