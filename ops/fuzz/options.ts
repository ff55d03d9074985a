/** What the command line says. */
import { parseArgs } from "node:util";

export const help = `npm run fuzz -- [options]

  --requests <n>   HTTP requests (20000)
  --sessions <n>   SMTP sessions (1000)
  --messages <n>   bodies of LINE's webhook, and as many messages of the queues (1000)
  --minutes <n>    ends after so long, shared out over the doors; what is not counted then goes on until its time is up
  --seed <n>       the same requests again, but for the ids that the system gives
  --only <door>    http, smtp, webhook or queue
  --route <text>   only operations that have this in their name: "POST /api/v1/upload"
  --json           the result as JSON on stdout

Ends with 0 without a finding, 1 with one, 2 when it could not be run. A finding is an answer of 500 to 599 other than 503; one
that does not come within 5 s (and a second for each whole megabyte sent) while others do, or within a minute; one that is no
HTTP, SMTP or JSON, or tells of the inside; a thread that is busy for 3 s and answers nobody; whoever is let in without a token
or signature that holds; messages that stay in a queue; a line of the log at error level; a process that ends; memory beyond its
limit. What is late while the system waits for the processor more than half of the time is counted, and no finding. At the end
it tells what each route answered.
`;

export const doors = ["http", "smtp", "webhook", "queue"] as const;
export type Door = (typeof doors)[number];

/** Of the time, when there is an end to it. */
const shares: Readonly<Record<Door, number>> = { http: 55, smtp: 25, webhook: 12, queue: 8 };

export interface Options {
  seed: number;
  doors: readonly Door[];
  counts: Readonly<Record<Door, number>>;
  /** Undefined: until everything is counted. */
  minutes: number | undefined;
  route: string;
  json: boolean;
  help: boolean;
}

/** @throws for what it does not understand. */
export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      requests: { type: "string" },
      sessions: { type: "string" },
      messages: { type: "string" },
      minutes: { type: "string" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
      only: { type: "string" },
      route: { type: "string", default: "" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const number = (name: "requests" | "sessions" | "messages" | "minutes" | "seed"): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    if (!/^\d+(?:\.\d+)?$/.test(text)) throw new Error(`--${name} must be a number`);
    return Number(text);
  };
  const only = doors.filter((door) => values.only === undefined || door === values.only);
  if (only.length === 0) throw new Error(`--only must be one of ${doors.join(", ")}`);
  const minutes = number("minutes");
  const least = (usual: number) => (minutes === undefined ? usual : Infinity);
  const messages = number("messages") ?? least(1000);
  return {
    seed: number("seed") ?? 0,
    doors: only,
    counts: {
      http: number("requests") ?? least(20_000),
      smtp: number("sessions") ?? least(1000),
      webhook: messages,
      queue: messages,
    },
    minutes,
    route: values.route,
    json: values.json,
    help: values.help,
  };
}

/** How long a door may take of what is left, in milliseconds: the doors after it have their share, too. */
export function shareOf(door: Door, left: readonly Door[], leftMs: number): number {
  return (leftMs * shares[door]) / left.reduce((sum, each) => sum + shares[each], 0);
}
