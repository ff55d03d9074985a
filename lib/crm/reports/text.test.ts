import { test } from "uvu";
import * as assert from "uvu/assert";
import { campaignSection, overviewSections, tagSection, trendSection } from "./text.ts";

test("the charts draw columns of one kind against the first", () => {
  const sections = [campaignSection([]), tagSection([]), trendSection(["sent", "clicked"], [])];
  const drawn = sections.map(({ columns, chart }) =>
    chart?.values.map((column) => `${columns[column]?.title} ${columns[column]?.kind}`),
  );
  assert.equal(drawn, [
    ["開啟率 percent", "點擊率 percent", "轉換率 percent"],
    ["占比 percent"],
    ["發送數 integer", "點擊數 integer"],
  ]);
  for (const { columns, chart } of sections) assert.ok(columns.length > 1 && chart?.labels === 0);
});

test("an overview tells figures first, then how they have changed", () => {
  assert.equal(
    overviewSections([], []).map(({ columns }) => columns.map(({ kind }) => kind)),
    [
      ["integer", "percent", "percent", "percent"],
      ["percent", "percent", "percent", "percent"],
    ],
  );
});

test.run();
