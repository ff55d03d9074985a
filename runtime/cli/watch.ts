/** Development: saving a file swaps the functions that it went into. */
import { watch as watchFiles } from "node:fs";
import { join, relative } from "node:path";
import { styleText } from "node:util";
import type { Logger } from "../context.ts";
import type { Runtime } from "../runtime.ts";

/** Editors write a file in several steps; this is long enough to see them as one save. */
const settleMs = 40;

export interface Watch {
  /** From now on saves are applied, and those that came before. */
  begin(runtime: Runtime, log: Logger): void;
  close(): void;
}

/**
 * Watches `functions/` and `lib/`, from before they are read: what is saved during a start is not missed. A broken save
 * keeps the version that runs and prints what is wrong. Keeps no process from ending.
 */
export function watch(root: string): Watch {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let apply: (() => void) | undefined;
  let reloading: Promise<void> = Promise.resolve();

  async function reload(runtime: Runtime, log: Logger): Promise<void> {
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
      settle();
    }),
  );
  // Of a recursive one it returns nothing.
  for (const watcher of watchers) watcher.unref();
  function settle(): void {
    clearTimeout(timer);
    if (apply) timer = setTimeout(apply, settleMs);
  }
  return {
    begin(runtime, log) {
      apply = () => {
        reloading = reloading
          .then(() => reload(runtime, log))
          .catch((error: unknown) => log.error({ err: error }, "the reload failed"));
      };
      settle();
    },
    close() {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}
