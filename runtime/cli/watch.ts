/** Development: saving a file swaps the functions that it went into. */
import { watch as watchFiles } from "node:fs";
import { join, relative } from "node:path";
import { styleText } from "node:util";
import type { Logger } from "../context.ts";
import type { Runtime } from "../runtime.ts";

/** Editors write a file in several steps; this is long enough to see them as one save. */
const settleMs = 40;

/** Watches `functions/` and `lib/`. A broken save keeps the version that runs and prints what is wrong. */
export function watch(root: string, runtime: Runtime, log: Logger): { close(): void } {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let reloading: Promise<void> = Promise.resolve();

  async function reload(): Promise<void> {
    const paths = new Set(changed);
    changed.clear();
    if (paths.size === 0) return;
    for (const path of paths) {
      if (path.startsWith(join("lib", "resources"))) log.warn(`${path} is part of the platform: restart to apply it`);
    }
    const started = performance.now();
    const { swapped, mounted, unmounted, faults } = await runtime.reload(paths);
    const ms = Math.round(performance.now() - started);
    const say = (mark: string, names: readonly string[]) => {
      for (const name of names) process.stderr.write(`  ${mark} ${name} ${styleText("dim", `${ms} ms`)}\n`);
    };
    say(styleText("green", "swapped"), swapped);
    say(styleText("green", "mounted"), mounted);
    say(styleText("yellow", "unmounted"), unmounted);
    for (const { file, message } of faults) {
      process.stderr.write(`  ${styleText("red", "kept the old version:")} ${file}: ${message}\n`);
    }
  }

  const watchers = ["functions", "lib"].map((folder) =>
    watchFiles(join(root, folder), { recursive: true }, (_event, file) => {
      if (!file?.endsWith(".ts") || file.endsWith(".test.ts")) return;
      changed.add(relative(root, join(root, folder, file)));
      clearTimeout(timer);
      timer = setTimeout(() => {
        reloading = reloading.then(reload).catch((error: unknown) => log.error({ err: error }, "the reload failed"));
      }, settleMs);
    }),
  );
  return {
    close() {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}
