import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Logger } from "../context.ts";
import { RefusedHeaders } from "./refused-headers.ts";

const test = suite("refused PROXY headers in the log");

test("a proxy that is not set up makes a line a minute, which says for how many it stands", () => {
  const lines: unknown[] = [];
  const log = { warn: (fields: unknown) => lines.push(fields) } as unknown as Logger;
  const refused = new RefusedHeaders();
  for (let ms = 0; ms < 150_000; ms += 100) refused.tell(log, "10.0.0.7", "it sent no PROXY header", ms);
  assert.is(refused.count, 1500);
  assert.equal(
    lines,
    [1, 600, 600].map((refusals) => ({ ip: "10.0.0.7", reason: "it sent no PROXY header", refusals })),
  );
});

test.run();
