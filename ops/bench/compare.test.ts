import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../harness/test.ts";
import { recorded, slower } from "./compare.ts";

const test = suite("comparing a bench with recorded ones");

const run = (at: string, ...rows: [measurement: string, ratio: string][]) => ({
  at,
  rows: rows.map(([measurement, ratio]) => ({ measurement, ratio })),
});

test("what is worse by more than 15 % than when it was last recorded is named, with what it is beside", () => {
  const runs = [
    run("2026-11-26T21:21", ["SMTP", "1.31 × Postfix · 1.05 × Postfix, only queueing"]),
    run("2026-11-20T22:11", ["GET", "0.78, cpu 0.80"], ["SMTP", "9.00 × Postfix"], ["history", ""]),
  ];
  const now = (measurement: string, ratio: string) => slower([{ measurement, ratio }], runs);
  assert.equal(now("GET", "0.70, cpu 0.81"), [], "a tenth is chance");
  assert.equal(now("GET", "0.79, cpu 0.60"), ["GET (cpu): 0.6 where it was 0.8 on 2026-11-20, 25 % worse"]);
  assert.equal(now("SMTP", "1.30 × Postfix · 0.50 × Postfix, only queueing · 0.10 × Haraka"), [
    "SMTP (Postfix, only queueing): 0.5 where it was 1.05 on 2026-11-26, 52 % worse",
  ]);
  assert.equal([now("history", ""), now("history", "0.10"), now("new", "0.10")], [[], [], []]);
});

test("where less is better, more is worse", () => {
  const runs = [run("2026-11-26T21:21", ["totals", "1.10"])];
  const now = (ratio: string) => slower([{ measurement: "totals", ratio, lessIsBetter: true }], runs);
  assert.equal([now("0.50"), now("1.20")], [[], []]);
  assert.equal(now("2.20"), ["totals: 2.2 where it was 1.1 on 2026-11-26, 50 % worse"]);
});

test("recorded runs are read newest first; before the first one there are none", async () => {
  const folder = join(await temporaryFolder(), "results");
  assert.equal(await recorded(folder), []);
  await mkdir(folder);
  for (const day of ["2026-11-20", "2026-11-26"]) {
    await writeFile(join(folder, `${day}T0000.json`), JSON.stringify({ ...run(day, ["GET", "0.78"]), more: 1 }));
  }
  await writeFile(join(folder, "api.cpuprofile"), "");
  assert.equal(
    (await recorded(folder)).map(({ at }) => at),
    ["2026-11-26", "2026-11-20"],
  );
});

test.run();
