import { test } from "uvu";
import * as assert from "uvu/assert";
import { axisTicks, figure, tickFigure } from "./figures.ts";

test("figures are shown as their column says", () => {
  assert.is(figure(12458, "integer"), "12,458");
  assert.is(figure(68.46, "percent"), "68.5%");
  assert.is(figure(-1234567, "money"), "-NT$1,234,567");
  assert.is(figure("2025-09-01", "date"), "2025-09-01");
  assert.is(figure(null, "percent"), "—");
  assert.is(figure(Number.NaN, "integer"), "—");
  assert.is(tickFigure(0.5, "percent"), "0.5%");
  assert.is(tickFigure(20_000, "integer"), "20,000");
});

const axes: [values: (number | null)[], kind: "integer" | "percent", ticks: number[]][] = [
  [[0, 80, null], "percent", [0, 20, 40, 60, 80]],
  [[100], "percent", [0, 20, 40, 60, 80, 100]],
  [[0.4], "percent", [0, 0.1, 0.2, 0.3, 0.4]],
  [[176, 40], "integer", [0, 50, 100, 150, 200]],
  [[2], "integer", [0, 1, 2]],
  [[], "integer", [0, 1]],
  [[0, 0], "percent", [0, 0.2, 0.4, 0.6, 0.8, 1].slice(0, 2)],
  [[-12, 30], "integer", [-20, -10, 0, 10, 20, 30]],
];
for (const [values, kind, ticks] of axes)
  test(`an axis for ${JSON.stringify(values)} ${kind}`, () => assert.equal(axisTicks(values, kind), ticks));

test.run();
