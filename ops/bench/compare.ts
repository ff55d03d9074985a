/** Looks a run's ratios up in the recorded ones: figures of two runs do not compare, ratios do. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";
import type { Row } from "./measure.ts";

const Recorded = Type.Object({
  at: Type.String(),
  rows: Type.Array(Type.Object({ measurement: Type.String(), ratio: Type.String() })),
});
export type Recorded = Static<typeof Recorded>;

/** A ratio differs by up to a tenth between runs of one build. */
const tolerated = 0.15;

/** What was recorded with `--save`, the newest first. */
export async function recorded(folder: string): Promise<Recorded[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".json"));
  const newest = names.toSorted().toReversed();
  return await Promise.all(
    newest.map(async (name) => Value.Parse(Recorded, JSON.parse(await readFile(join(folder, name), "utf8")))),
  );
}

/** A sentence for each ratio that is worse by more than 15 % than when it was last recorded. */
export function slower(
  rows: readonly Pick<Row, "measurement" | "ratio" | "lessIsBetter">[],
  runs: readonly Recorded[],
): string[] {
  const found: string[] = [];
  for (const { measurement, ratio, lessIsBetter = false } of rows) {
    for (const [beside, now] of ratios(ratio)) {
      for (const run of runs) {
        const before = ratios(run.rows.find((row) => row.measurement === measurement)?.ratio ?? "").get(beside);
        if (before === undefined) continue;
        const change = lessIsBetter ? before / now : now / before;
        if (change < 1 - tolerated) {
          const percent = Math.round((1 - change) * 100);
          const whose = beside && ` (${beside})`;
          found.push(
            `${measurement.trim()}${whose}: ${now} where it was ${before} on ${run.at.slice(0, 10)}, ${percent} % worse`,
          );
        }
        break;
      }
    }
  }
  return found;
}

/** `0.78, cpu 0.80` and `1.31 × Postfix · 1.45 × Haraka`, by what they are ratios to. */
function ratios(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const part of text.split(" · ")) {
    const [, value, cpu, peer = ""] = /^([\d.]+)(?:, cpu ([\d.]+)| × (.+))?$/.exec(part) ?? [];
    if (value !== undefined) found.set(peer, Number(value));
    if (cpu !== undefined) found.set("cpu", Number(cpu));
  }
  return found;
}
