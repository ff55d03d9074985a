import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { writePdf } from "./pdf.ts";
import { pagesOf } from "./read-back.fixture.ts";
import { campaignRows, campaigns, endlessRows, reportOf, trends } from "./report.fixture.ts";
import type { Row, Section, WriteOptions } from "./report.ts";

const test = suite<{ folder: string }>("pdf");
test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "pdf-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true }));

async function written(folder: string, sections: Section[], options?: WriteOptions): Promise<Buffer> {
  const file = join(folder, "report.pdf");
  await writePdf(reportOf(...sections), file, options);
  assert.equal(await readdir(folder), ["report.pdf"]);
  return readFile(file);
}

test("what it says can be read and copied, in Chinese", async ({ folder }) => {
  const pdf = await written(folder, [campaigns(campaignRows), trends(31)]);
  const pages = pagesOf(pdf);
  const [first = []] = pages;
  for (const text of ["活動成效報表", "2025-09-01 至 2025-10-01", "各活動的開啟率與點擊率", "中秋送禮 KOL"])
    assert.ok(first.includes(text), `${text} is missing`);
  for (const text of ["12,458", "68.5%", "NT$1,234,567", "—", '□ 國慶連假 <優惠> & "早鳥"', "2025-09-20"])
    assert.ok(first.includes(text), `${text} is missing`);
  assert.ok(
    first.join("").includes("與溫泉券，數量有限，售完為止，歡迎會員提早預約"),
    "a long name is wrapped, not cut",
  );
  assert.is(pages.length, 2);
  assert.ok(pages[1]?.includes("176"));
});

test("it has the characters that it needs, not the whole font", async ({ folder }) => {
  const pdf = await written(folder, [campaigns(campaignRows)]);
  assert.ok(pdf.length < 100_000, `${pdf.length} bytes`);
  assert.match(pdf.toString("latin1"), /\/BaseFont \/[A-Z]{6}\+NotoSansTC-Regular/);
});

test("each page has the table's head, its number, and its rows once", async ({ folder }) => {
  const heard: number[] = [];
  function* rows(): Generator<Row> {
    for (let row = 1; row <= 2_500; row++) yield [`活動${row}`, "2025-09-05", row, 50, 25, row];
  }
  const pages = pagesOf(await written(folder, [campaigns(rows())], { progress: (count) => heard.push(count) }));
  assert.ok(pages.length > 50, `${pages.length} pages`);
  for (const [at, page] of pages.entries()) {
    assert.ok(page.includes("活動名稱") && page.includes("消費金額"), `page ${at + 1} has no head`);
    assert.ok(page.includes(`第 ${at + 1} 頁`), `page ${at + 1} has no number`);
  }
  const names = pages.flat().filter((text) => /^活動\d+$/.test(text));
  const drawn = 10; // The chart's bars, which the first rows name.
  assert.is(names.length, 2_500 + drawn);
  assert.is(names.at(-1), "活動2500");
  assert.ok(pages[0]?.includes("各活動的開啟率與點擊率（前 10 筆）"));
  assert.equal(heard, [1000, 2000, 2500]);
});

test("a text longer than a page takes four lines of it", async ({ folder }) => {
  const long: Row = ["很長".repeat(20_000), "x".repeat(40_000), null, Infinity, -1, 1e21];
  const pages = pagesOf(await written(folder, [campaigns([long, ["下一筆", null, null, null, null, null]])]));
  assert.is(pages.length, 1);
  assert.ok(pages[0]?.includes("下一筆"));
});

test("a section without rows says so", async ({ folder }) => {
  const [page] = pagesOf(await written(folder, [campaigns([]), trends(1)]));
  assert.ok(page?.includes("沒有資料"));
});

test("an aborted writing leaves no file, and closes its rows", async ({ folder }) => {
  const aborting = new AbortController();
  const endless = endlessRows(300, () => aborting.abort(new Error("enough")));
  const { signal } = aborting;
  const writing = writePdf(reportOf(campaigns(endless.rows)), join(folder, "report.pdf"), { signal });
  assert.match(await writing.then(() => "none", String), /enough/);
  assert.ok(endless.isClosed());
  assert.equal(await readdir(folder), []);
});

test("so does one whose rows fail", async ({ folder }) => {
  const failing = endlessRows(300, () => {
    throw new Error("the database is away");
  });
  const writing = writePdf(reportOf(trends(3), campaigns(failing.rows)), join(folder, "report.pdf"));
  assert.match(await writing.then(() => "none", String), /database is away/);
  assert.equal(await readdir(folder), []);
});

test.run();
