import { expect, test } from "vitest";
import { read, write } from "./canonical";

test.each([['{"a":1,"b":[true,false,null,"x"]}'], ['{"\\u0000":"\\u001f\\"\\\\"}'], ['{"\u{1F600}":1,"\uFB33":2}'], ["[]"], ["9007199254740991"], ['{"__proto__":1}']])("%s is its own canonical form", (text) => {
  expect(write(read(text))).toBe(text);
});

test.each([
  ["another order", '{"b":1,"a":1}'], ["a key twice", '{"a":1,"a":1}'], ["white space", '{"a": 1}'], ["a float", "1.5"], ["a float that is whole", "1.0"], ["an exponent", "1e3"], ["minus nought", "-0"], ["too large a number", "9007199254740993"],
  ["an escape that need not be", '"\\u0061"'], ["half a surrogate", '"\\ud800"'], ["order by bytes and not by units", '{"\uFB33":2,"\u{1F600}":1}'], ["a tail", "1 "], ["no JSON", "{"], ["128 levels", "[".repeat(128) + "]".repeat(128)],
])("%s is refused", (_, text) => {
  expect(() => read(text)).toThrow();
});

test("127 levels are read", () => {
  const deep = "[".repeat(127) + "]".repeat(127);
  expect(write(read(deep))).toBe(deep);
});
