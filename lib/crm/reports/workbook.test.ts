import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cellsOf, unzip } from "./read-back.fixture.ts";
import { campaignRows, campaigns, endlessRows, reportOf, trends } from "./report.fixture.ts";
import type { Row, Section } from "./report.ts";
import { writeWorkbook, type WorkbookOptions } from "./workbook.ts";

const test = suite<{ folder: string }>("workbook");
test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "workbook-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true }));

async function written(folder: string, sections: Section[], options?: WorkbookOptions): Promise<Map<string, string>> {
  const file = join(folder, "report.xlsx");
  await writeWorkbook(reportOf(...sections), file, options);
  assert.equal(await readdir(folder), ["report.xlsx"]);
  return unzip(await readFile(file));
}

const sheet = (files: Map<string, string>, number: number) => files.get(`xl/worksheets/sheet${number}.xml`) ?? "";

test("figures are numbers, days are days, what people typed is text", async ({ folder }) => {
  const cells = cellsOf(sheet(await written(folder, [campaigns(campaignRows)]), 1));
  assert.is(cells["A1"], "活動成效報表　2025-09-01 至 2025-10-01");
  assert.is(cells["A2"], "活動名稱");
  assert.is(cells["A3"], "中秋送禮 KOL");
  assert.is(cells["B3"], "45905"); // 5 September 2025
  assert.is(cells["C3"], "12458");
  assert.is(cells["D3"], "0.8");
  assert.is(cells["A5"], "'=HYPERLINK(&quot;http://evil.example&quot;,&quot;點我&quot;)");
  assert.is(cells["D5"], undefined, "a chart would draw a dash as zero");
  assert.is(cells["F5"], "—");
  assert.is(cells["A6"], "🎉 國慶連假 &lt;優惠&gt; &amp; &quot;早鳥&quot;");
});

test("no text becomes a formula or breaks the sheet", async ({ folder }) => {
  const hostile = ["=1+1", "]]></t></is></c><c><f>1</f></c>", "_x000D_", "a\u0000b\u000b", "\ud83d"];
  const { columns } = campaigns([]);
  const xml = sheet(
    await written(folder, [{ heading: "x", columns, rows: hostile.map((text): Row => [text, text]) }]),
    1,
  );
  assert.not.match(xml, /<f>/);
  const cells = cellsOf(xml);
  assert.is(cells["A3"], "'=1+1");
  assert.is(cells["B3"], "'=1+1", "a text where a day should be");
  assert.is(cells["A4"], "]]&gt;&lt;/t&gt;&lt;/is&gt;&lt;/c&gt;&lt;c&gt;&lt;f&gt;1&lt;/f&gt;&lt;/c&gt;");
  assert.is(cells["A5"], "_x005F_x000D_");
  assert.is(cells["A6"], "ab");
  assert.is(cells["A7"], "\ufffd");
  // oxlint-disable-next-line no-control-regex
  assert.not.match(xml, /[\u0000-\u0008\u000b\u000c]/);
});

test("each section has a sheet of its name, and a chart of its cells", async ({ folder }) => {
  const named = { ...campaigns(campaignRows), heading: "活動/成效: [九月]'s" };
  const files = await written(folder, [named, trends(31), { ...trends(3), heading: "趨勢" }]);
  const names = [...(files.get("xl/workbook.xml") ?? "").matchAll(/<sheet name="(.*?)"/g)].map(([, name]) => name);
  assert.equal(names, ["活動 成效 九月 's", "趨勢", "趨勢 (2)"]);
  const charts = [1, 2].map((number) => files.get(`xl/charts/chart${number}.xml`) ?? "");
  assert.match(charts[0] ?? "", "<c:f>'活動 成效 九月 ''s'!$D$3:$D$6</c:f>");
  assert.match(charts[0] ?? "", /<c:barChart>/);
  assert.match(charts[1] ?? "", "<c:f>'趨勢'!$C$3:$C$33</c:f>");
  assert.match(charts[1] ?? "", /<c:lineChart>/);
  assert.is(charts[1]?.match(/<c:ser>/g)?.length, 3);
  for (const [path, xml] of files) {
    if (!path.endsWith(".rels")) continue;
    const folderOf = new URL(`../`, `http://x/${path}`);
    for (const [, target = ""] of xml.matchAll(/Target="(.*?)"/g))
      assert.ok(files.has(new URL(target, folderOf).pathname.slice(1)), `${path} points at ${target}`);
  }
  const types = files.get("[Content_Types].xml") ?? "";
  for (const [, part = ""] of types.matchAll(/PartName="\/(.*?)"/g)) assert.ok(files.has(part), part);
});

test("rows that one sheet cannot hold go on in others, below the same titles", async ({ folder }) => {
  const heard: number[] = [];
  const files = await written(folder, [trends(25)], { sheetRows: 12, progress: (rows) => heard.push(rows) });
  const firsts = [1, 2, 3].map((number) => cellsOf(sheet(files, number)));
  assert.equal(
    firsts.map((cells) => [cells["A2"], cells["A3"], cells["A12"]]),
    [
      ["日期", "45901", "45910"],
      ["日期", "45911", "45920"],
      ["日期", "45921", undefined],
    ],
  );
  assert.equal(heard, [25]);
});

test("a section without rows is a sheet without rows", async ({ folder }) => {
  const files = await written(folder, [campaigns([])]);
  assert.equal(Object.keys(cellsOf(sheet(files, 1))), ["A1", "A2", "B2", "C2", "D2", "E2", "F2"]);
  assert.not(files.has("xl/charts/chart1.xml"));
});

test("a hundred thousand rows come as they are asked for", async ({ folder }) => {
  const heard: number[] = [];
  async function* rows(): AsyncGenerator<Row> {
    for (let row = 1; row <= 100_000; row++) yield ["中秋送禮", "2025-09-05", row, 50, 25, row];
  }
  const files = await written(folder, [campaigns(rows())], { progress: (count) => heard.push(count) });
  assert.match(sheet(files, 1), '<c r="C100002" s="5"><v>100000</v></c>');
  assert.is(heard.length, 101);
  assert.is(heard.at(-1), 100_000);
});

test("an aborted writing leaves no file, and closes its rows", async ({ folder }) => {
  const aborting = new AbortController();
  const endless = endlessRows(70_000, () => aborting.abort(new Error("enough")));
  const { signal } = aborting;
  const writing = writeWorkbook(reportOf(campaigns(endless.rows)), join(folder, "report.xlsx"), { signal });
  assert.match(await writing.then(() => "none", String), /enough/);
  assert.ok(endless.isClosed());
  assert.equal(await readdir(folder), []);
});

test("so does one whose rows fail", async ({ folder }) => {
  const failing = endlessRows(70_000, () => {
    throw new Error("the database is away");
  });
  const writing = writeWorkbook(reportOf(trends(3), campaigns(failing.rows)), join(folder, "report.xlsx"));
  assert.match(await writing.then(() => "none", String), /database is away/);
  assert.equal(await readdir(folder), []);
});

test.run();
