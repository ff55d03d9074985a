import { test } from "uvu";
import * as assert from "uvu/assert";
import { Compile } from "typebox/compile";
import { PlainText } from "./plain-text.ts";

const name = Compile(PlainText({ maxLength: 10 }));
const note = Compile(PlainText({ minLength: 0, maxLength: 10 }));

const cases: [text: unknown, fault: RegExp | undefined][] = [
  ["Sales", undefined],
  ["行銷部門系統", undefined],
  ["Zoë 🙂", undefined],
  ["", /fewer than 1|not be blank/],
  ["  ", /blank/],
  ["elevenchars", /10/],
  ["a\u0000b", /control/],
  ["a\nb", /control/],
  ["a\u2028b", /control/],
  ["\ud83d", /Unicode/],
  [7, /string/],
];
for (const [text, fault] of cases) {
  test(`${JSON.stringify(text)} is ${fault ? "refused" : "taken"} as a name`, () => {
    assert.is(name.Check(text), fault === undefined);
    if (fault)
      assert.match(
        name
          .Errors(text)
          .map(({ message }) => message)
          .join("; "),
        fault,
      );
  });
}

test("what may be empty may be blank", () => {
  assert.equal(
    ["", " "].map((text) => note.Check(text)),
    [true, true],
  );
  assert.not(note.Check("a\u0000b"));
});

test.run();
