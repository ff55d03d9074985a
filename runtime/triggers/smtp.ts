/** The SMTP trigger: listeners that take mail. A transaction stays on the version it began with. */
import { Counter, Gauge } from "prom-client";
import { settle } from "../context.ts";
import type { Host } from "../host/host.ts";
import type { Fault } from "../host/load.ts";
import { Slot, Version, type Loaded } from "../host/slot.ts";
import type { SmtpFunction } from "../smtp.ts";
import { Conversations, type SmtpSlot } from "../smtp/conversations.ts";
import type { SmtpListener } from "../smtp/listener.ts";
import type { Compiled } from "../smtp/transaction.ts";
import { trials } from "./trials.ts";
import type { Trigger } from "./trigger.ts";

/** A function, and its ports. */
interface Mounted {
  slot: SmtpSlot;
  conversations: Conversations;
  listener: SmtpListener;
}

export function smtpTrigger(host: Host): Trigger {
  const mounted = new Map<string, Mounted>();
  registerMetrics(host, mounted);

  async function open(slot: SmtpSlot): Promise<Mounted> {
    // Loaded where it is used: not every process listens.
    const { openListener } = await import("../smtp/listener.ts");
    const conversations = new Conversations(host, slot);
    const listener = await openListener(slot, conversations, host);
    const { compiled } = slot.current;
    for (const { port, tls } of listener.ports) slot.log.info({ port, tls }, "taking mail by SMTP");
    if (compiled.tlsPort > 0 && !compiled.certificate) {
      slot.log.warn(
        { port: compiled.tlsPort },
        "without a certificate this port stays closed, and no STARTTLS is offered",
      );
    }
    return { slot, conversations, listener };
  }

  return {
    kind: "smtp",
    check: (functions) => checkPorts(host, functions.filter(isSmtp)),

    async mount(loaded) {
      if (!isSmtp(loaded)) return;
      const version = new Version(loaded, compileContract(host, loaded.definition));
      const previous = mounted.get(loaded.name);
      if (previous && keepsPorts(previous.slot.current.compiled, version.compiled)) {
        host.background(previous.slot.swap(version));
        previous.listener.adapt(version.compiled);
        return;
      }
      // Its own ports may be among those that are wanted: they have to be free first.
      const closed = previous?.listener.stop();
      const slot: SmtpSlot = Object.assign(new Slot(loaded.name, version), {
        stats: host.metrics.of(loaded.name, "smtp"),
        log: host.log.child({ function: loaded.name }),
      });
      const made = await open(slot).catch(async (error: unknown) => {
        if (previous) mounted.set(loaded.name, await open(previous.slot));
        throw error;
      });
      slot.stats.running = slot;
      slot.stats.inflight = () => slot.inflight + (previous?.slot.inflight ?? 0);
      mounted.set(loaded.name, made);
      if (closed) host.background(closed);
    },

    ...trials(host, {
      slot: (name) => mounted.get(name)?.slot,
      is: isSmtp,
      compile: (definition) => compileContract(host, definition),
      way: (definition) => `a listener at ${waysOf(compileContract(host, definition))}`,
    }),

    async unmount(name) {
      const one = mounted.get(name);
      if (!one) return;
      mounted.delete(name);
      one.slot.stats.running = undefined;
      await one.listener.stop();
      await one.slot.idle();
    },

    async drain() {
      await Promise.all(
        [...mounted.values()].map(async ({ listener, slot }) => [await listener.stop(), await slot.idle()]),
      );
    },

    describe: (definition) => {
      if (definition.kind !== "smtp") return { where: "", access: "", limits: "" };
      const { port, tlsPort, certificate, sizeLimit, connections } = compileContract(host, definition);
      const where = [
        port > 0 ? `${port}${certificate ? " (STARTTLS)" : ""}` : "",
        tlsPort > 0 ? `${tlsPort} (${certificate ? "TLS" : "closed: no certificate"})` : "",
      ];
      const limits = `${sizeLimit / 2 ** 20} MB, ${connections.total} connections, ${connections.perAddress} of one address`;
      return { where: where.filter((part) => part !== "").join(", "), access: definition.contract.access.name, limits };
    },
  };
}

function isSmtp(loaded: Loaded): loaded is Loaded<SmtpFunction> {
  return loaded.definition.kind === "smtp";
}

function compileContract(host: Host, { contract }: SmtpFunction): Compiled {
  const { resources, defaults } = host;
  return {
    port: settle(contract.port, resources),
    tlsPort: settle(contract.tlsPort ?? 0, resources),
    certificate: contract.certificate && settle(contract.certificate, resources),
    hostname: contract.hostname === undefined ? undefined : settle(contract.hostname, resources),
    access: contract.access,
    trustsProxy: contract.trustsProxy,
    plainSignIn: settle(contract.plainSignIn ?? false, resources),
    sizeLimit: settle(contract.sizeLimit ?? defaults.bodyLimit, resources),
    recipientLimit: settle(contract.recipientLimit ?? 1000, resources),
    connections: settle(contract.connections ?? { total: 500, perAddress: 100 }, resources),
    patience: settle(contract.patience ?? { idleMs: 300_000, mailMs: 600_000 }, resources),
    concurrency: settle(contract.concurrency ?? defaults.concurrency, resources),
    timeLimitMs: settle(contract.timeLimitMs ?? defaults.timeLimitMs, resources),
    replies: contract.replies ?? {},
  };
}

/** Whether a new version can go on behind the ports of the one before it. */
function keepsPorts(before: Compiled, after: Compiled): boolean {
  return waysOf(before) === waysOf(after);
}

function waysOf({ port, tlsPort, certificate, plainSignIn }: Compiled): string {
  return JSON.stringify([port, tlsPort, certificate, plainSignIn]);
}

function checkPorts(host: Host, functions: readonly Loaded<SmtpFunction>[]): Fault[] {
  const faults: Fault[] = [];
  const taken = new Map<number, string>();
  for (const { definition, file } of functions) {
    const { port, tlsPort } = compileContract(host, definition);
    for (const one of [port, tlsPort]) {
      if (!Number.isInteger(one) || one < 0 || one > 65_535) faults.push({ file, message: `${one} is no port` });
      const other = taken.get(one);
      if (other !== undefined && one !== 0) faults.push({ file, message: `port ${one} is taken by ${other}` });
      taken.set(one, file);
    }
  }
  return faults;
}

function registerMetrics({ metrics: { registry } }: Host, mounted: ReadonlyMap<string, Mounted>): void {
  const registers = [registry];
  const labelNames = ["function"];
  const each = (set: (name: string, one: Mounted) => void) => () => mounted.forEach((one, name) => set(name, one));
  const open = new Gauge({
    name: "smtp_connections",
    help: "SMTP connections that are open",
    labelNames,
    registers,
    collect: each((name, { listener }) => open.set({ function: name }, listener.connections)),
  });
  const expires = new Gauge({
    name: "smtp_certificate_expires_timestamp_seconds",
    help: "When the certificate for SMTP ends, in seconds since 1970",
    labelNames,
    registers,
    collect() {
      this.reset();
      each((name, { listener: { certificateExpiresAt: at } }) => {
        if (at) expires.set({ function: name }, at.getTime() / 1000);
      })();
    },
  });
  const counter = (name: string, help: string, read: (one: Mounted) => number) => {
    const made = new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        mounted.forEach((one, of) => made.inc({ function: of }, read(one)));
      },
    });
  };
  counter(
    "smtp_connections_refused_total",
    "Connections over the limit of their address, or of all",
    (one) => one.listener.refused,
  );
  counter(
    "smtp_proxy_headers_refused_total",
    "Connections of proxies without a PROXY header, and of others with one",
    (one) => one.listener.refusedHeaders,
  );
  counter("smtp_sign_ins_failed_total", "Failed tries to sign in", (one) => one.conversations.failedSignIns);
}
