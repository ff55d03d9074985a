import { test } from "uvu";
import * as assert from "uvu/assert";
import { htmlOf } from "./html.ts";

test("a text becomes a paragraph, and what html would take for its own stays text", async () => {
  assert.is(await htmlOf("a < b\n& 你好 > 𠮷"), "<p>a &lt; b<br/>\n&amp; 你好 &gt; 𠮷</p>");
  assert.is(await htmlOf(""), "<p></p>");
});

test("a long one is a block whose lines are as they were", async () => {
  const text = "<a> & 𠮷\n  b\n".repeat(100_000);
  const html = await htmlOf(text);
  const expected = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  // The first line end after <pre> is none of the text (HTML Standard, 13.1.2.5).
  assert.ok(html === `<pre style="white-space: pre-wrap">\n${expected}</pre>`);
});

test.run();
