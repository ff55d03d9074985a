import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openHouse, type AnyHouse } from "./session.ts";

const test = suite("opening and closing a house");

/** A house of such resources, opened in their order. */
function houseOf(closes: readonly (() => Promise<void>)[]): AnyHouse {
  const house: Pick<AnyHouse, "readConfig" | "logging" | "open"> = {
    readConfig: () => ({}),
    logging: () => ({ level: "silent", pretty: false }),
    async open(_config, { own }) {
      for (const close of closes) own({ close });
      return {} as Awaited<ReturnType<AnyHouse["open"]>>;
    },
  };
  return house as AnyHouse;
}

test("resources are closed in turn, the last opened first, also behind one that fails to", async () => {
  const closed: string[] = [];
  const note = (name: string) => async () => void closed.push(name);
  const fails = () => Promise.reject(new Error("broken"));
  const { close } = await openHouse(houseOf([note("first"), fails, note("last")]), "serve");
  await close();
  assert.equal(closed, ["last", "first"]);
});

test("one that never closes keeps nobody for ever", async () => {
  const never = () => new Promise<void>(() => {});
  const { close } = await openHouse(houseOf([never]), "serve", {}, { closeMs: 20 });
  const awake = setInterval(() => {}, 1000); // as the server of a process that is told to stop
  await close();
  clearInterval(awake);
});

test.run();
