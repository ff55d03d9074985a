/** A Postfix of one's own: its configuration, queue and data in a folder that goes with it. The system's own is not touched. */
import { execFile } from "node:child_process";
import { truncateSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ownFolder } from "../harness/process.ts";
import { freePort, startServer, subfolder } from "../harness/server.ts";
import { greets, type Receiver } from "./smtp-peers.ts";
import { until } from "./system.ts";

const run = promisify(execFile);

/** What becomes of mail that it has accepted. */
const afterwards = {
  /** Delivered at once, to nowhere: what its queue manager and delivery agents do for a mail is in the figure. */
  discard: "default_transport = discard:",
  /** Nothing: it stays in the queue, and the queue manager never sees it. Deferring by `defer_transports` costs much more. */
  hold: "smtpd_client_restrictions = check_client_access static:HOLD",
};

/** Its master process has to be root. */
export const postfixRuns = (): boolean => process.getuid?.() === 0;

export async function startPostfix(name: string, then: keyof typeof afterwards): Promise<Receiver> {
  const port = await freePort();
  const folder = ownFolder("postfix");
  const config = subfolder(folder, "config");
  const queue = subfolder(folder, "queue");
  const log = join(folder, "mail.log");
  writeFileSync(join(config, "main.cf"), mainCf({ folder, queue, log }, afterwards[then]));
  writeFileSync(join(config, "master.cf"), masterCf(port));
  // Makes its data's folder and those in its queue.
  await run("/usr/sbin/postfix", ["-c", config, "check"]);
  const { stdout: programs } = await run("/usr/sbin/postconf", ["-c", config, "-h", "daemon_directory"]);
  const server = await startServer({
    name,
    url: `smtp://127.0.0.1:${port}`,
    port,
    folder,
    process: {
      command: join(programs.trim(), "master"),
      args: ["-c", config, "-s"],
      env: { PATH: process.env["PATH"] },
      lastSignal: "SIGTERM", // it ends its children then
    },
    stopSignal: "SIGTERM",
    ready: () => greets(port),
  });
  const settle = {
    async discard(mails: number) {
      await until(`${name} delivers`, async () => mails - delivered(log));
      truncateSync(log);
    },
    async hold(mails: number) {
      const { stderr } = await run("/usr/sbin/postsuper", ["-c", config, "-d", "ALL", "hold"]);
      const deleted = Number(/Deleted: (\d+) message/.exec(stderr)?.[1]);
      if (deleted !== mails) throw new Error(`${name} accepted ${mails} mails, and queued ${deleted}`);
      truncateSync(log);
    },
  };
  return { name, port, settle: settle[then], close: server.close };
}

const delivered = (log: string): number => readFileSync(log, "latin1").split(" status=sent ").length - 1;

/**
 * As Debian sets it up, but for what follows from its place; without limits for a client, without looking up a client's
 * name, and without the pause by which it slows down senders that are faster than its deliveries.
 */
const mainCf = ({ folder, queue, log }: Record<"folder" | "queue" | "log", string>, then: string): string => `
compatibility_level = 3.6
queue_directory = ${queue}
data_directory = ${folder}/data
maillog_file = ${log}
maillog_file_prefixes = ${folder}
myhostname = bench.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
in_flow_delay = 0
message_size_limit = 0
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
fast_flush_domains =
${then}
`;

/** The services that this takes, as Debian has them; it runs none of them in a chroot. */
const masterCf = (port: number): string => `
127.0.0.1:${port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`;
