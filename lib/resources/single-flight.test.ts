import { test } from "uvu";
import * as assert from "uvu/assert";
import { openSingleFlight } from "./single-flight.ts";

/** Work that tells when it begins, and ends when it is told to. */
function works(count: number) {
  const begun: number[] = [];
  const all = Array.from({ length: count }, () => Promise.withResolvers<string>());
  const work = (n: number) => async () => {
    begun.push(n);
    return all[n]?.promise;
  };
  return {
    begun,
    work,
    end: (n: number) => all[n]?.resolve(`${n}`),
    fail: (n: number) => all[n]?.reject(new Error(`${n}`)),
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("the others wait for the first, then all run", async () => {
  const flight = openSingleFlight();
  const { begun, work, end } = works(3);
  const results = Promise.all([0, 1, 2].map((n) => flight.run("a", work(n))));
  await turn();
  assert.equal(begun, [0]);
  end(0);
  await turn();
  assert.equal(begun, [0, 1, 2]);
  end(1);
  end(2);
  assert.equal(await results, ["0", "1", "2"]);
});

test("a first one that fails holds up nobody, and fails alone", async () => {
  const flight = openSingleFlight();
  const { begun, work, end, fail } = works(2);
  const results = Promise.allSettled([0, 1].map((n) => flight.run("a", work(n))));
  await turn();
  fail(0);
  await turn();
  assert.equal(begun, [0, 1]);
  end(1);
  assert.equal(
    (await results).map(({ status }) => status),
    ["rejected", "fulfilled"],
  );
});

test("other names do not wait, and a name is free again after its first", async () => {
  const flight = openSingleFlight();
  const { begun, work, end } = works(3);
  const results = [flight.run("a", work(0)), flight.run("b", work(1))];
  await turn();
  assert.equal(begun, [0, 1]);
  end(0);
  end(1);
  await Promise.all(results);
  const again = flight.run("a", work(2));
  await turn();
  assert.equal(begun, [0, 1, 2]);
  end(2);
  await again;
});

test.run();
