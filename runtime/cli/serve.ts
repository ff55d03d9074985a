/** `fn start` and `fn dev`: run the system until told to stop. */
import { styleText } from "node:util";
import type { Logger } from "../context.ts";
import { followDeploys, type Following } from "../deploy/follow.ts";
import { discoverSelected } from "../host/discover.ts";
import { bundle, endBundler } from "../host/load.ts";
import { createRuntime, type Runtime } from "../runtime.ts";
import { serveDevelopment, serveProduction, type HttpServer } from "../web/server.ts";
import { openHouse, type Opened, type Session } from "./session.ts";
import { spendMemory } from "./thrift.ts";
import { watch } from "./watch.ts";

/** Runs until SIGTERM or SIGINT, then stops in order and exits: 0 when all ended in time, 1 when not. */
export async function serve({ root, house }: Session, { dev }: { dev: boolean }): Promise<void> {
  const started = performance.now();
  // A stop that is asked for while starting is carried out as soon as there is something to stop.
  const asked = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, resolve);
  });
  const config = house.readConfig(process.env);
  const watcher = dev ? watch(root) : undefined;
  // In a process of its own, while this one opens what others keep. Whether it went well is asked below.
  const ahead = discoverSelected(root, house.functions?.(config) ?? []).then((files) => bundle(root, files));
  ahead.catch(() => {});
  const opened = await openHouse(house, "serve", config);
  const { resources, log, metrics } = opened;
  crashOnUncaught(log);
  let runtime: Runtime | undefined;
  let server: HttpServer | undefined;
  let following: Following | undefined;
  try {
    const settings = house.settings(resources);
    const { title, version, description } = house;
    const about = { title, version, ...(description !== undefined && { description }) };
    runtime = await createRuntime({
      root,
      ...about,
      settings,
      resources,
      log,
      metrics,
      ...(house.functions && { ahead }),
    });
    server = await (dev ? serveDevelopment : serveProduction)(runtime.dispatch, settings.http);
    // In development, what lies in the folder runs.
    if (!dev && settings.deploys) following = await followDeploys({ root, runtime, settings, log });
    await runtime.start();
    if (!dev) await endBundler();
    // A worker waits for others most of its time; whoever answers requests is waited for.
    if (runtime.list().some(({ trigger }) => trigger === "http" || trigger === "smtp")) spendMemory();
  } catch (error) {
    await following?.close();
    await runtime?.stop();
    server?.cut();
    await opened.close();
    throw error;
  }
  const rows = (await house.welcome?.(opened.ctx, server.url)) ?? [];
  banner(
    title(house.title, dev),
    [["Functions", `${runtime.list().length} mounted`], ...rows],
    performance.now() - started,
  );
  watcher?.begin(runtime, log);
  log.info({ port: server.port, functions: runtime.list().length }, "started");
  const signal = await asked;
  watcher?.close();
  await following?.close();
  process.exitCode = (await stopAll(signal, runtime, server, opened)) ? 0 : 1;
  process.exit();
}

async function stopAll(signal: string, runtime: Runtime, server: HttpServer, opened: Opened): Promise<boolean> {
  for (const again of ["SIGTERM", "SIGINT"] as const) {
    process.once(again, () => {
      opened.log.error("told to stop again: ending at once");
      process.exit(1);
    });
  }
  opened.log.info({ signal }, "stopping");
  const inTime = await runtime.stop(server);
  await opened.close();
  opened.log.info("stopped");
  return inTime;
}

function crashOnUncaught(log: Logger): void {
  const crash = (error: unknown) => {
    log.fatal({ err: error }, "a fault that nothing handled: ending, so that a clean process takes over");
    process.exit(1);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
}

function title(name: string, dev: boolean): string {
  return dev ? `${name} (development: functions reload when saved)` : name;
}

function banner(heading: string, rows: readonly (readonly [string, string])[], ms: number): void {
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, text]) => {
    const [first, ...rest] = text.split("\n");
    const indented = rest.map((line) => `${" ".repeat(width + 4)}${line}`);
    return [`  ${styleText("dim", label.padEnd(width))}  ${first}`, ...indented].join("\n");
  });
  process.stderr.write(`\n  ${styleText("bold", heading)}  ready in ${Math.round(ms)} ms\n\n${lines.join("\n")}\n\n`);
}
