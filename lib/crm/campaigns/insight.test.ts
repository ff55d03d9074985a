import { test } from "uvu";
import * as assert from "uvu/assert";
import { openContext } from "../../../ops/harness/context.ts";
import { startLine } from "../../../ops/e2e/stand-ins/line.ts";
import { readInsights } from "./insight.ts";

test("LINE's figures are kept beside ours; what it does not tell stays null", async () => {
  const line = await startLine();
  const opened = await openContext({ env: line.env });
  const { db } = opened.ctx;
  await db.query("INSERT INTO message_templates (type, content) VALUES ('text', 'Hello')");
  await db.query(
    `INSERT INTO campaigns (title, template_id, target_audience, status, sent_at, sent_count)
     VALUES ('Autumn', 1, '{"type":"all"}', 'sent', now(), 10), ('Old', 1, '{"type":"all"}', 'sent', now() - interval '20 days', 10)`,
  );
  const overview = {
    uniqueImpression: 40,
    uniqueClick: null,
    uniqueMediaPlayed: null,
    uniqueMediaPlayed100Percent: null,
  };
  line.insights.set("campaign_1", { overview, messages: [], clicks: [] });
  await readInsights(opened.ctx);
  const { rows } = await db.query<{ line_insight: unknown }>("SELECT line_insight FROM campaigns ORDER BY id");
  assert.equal(rows[0]?.line_insight, overview);
  assert.is(rows[1]?.line_insight, null);
  await opened.close();
  await line.close();
});

test.run();
