/** What LINE refuses of a message, and which property it names for it. Pure. */
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { componentSchemas, containerSchemas, messageSchemas, requestSchemas, templateSchemas } from "./line-schemas.ts";
import { isRecord } from "./sendgrid-rules.ts";

/** As in the `details` of LINE's answer. */
export interface Detail {
  message: string;
  property: string;
}

type Check = (value: unknown, path: string) => Detail[];

const compiled = (schemas: Readonly<Record<string, TSchema>>): Readonly<Record<string, Check>> =>
  Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, checkOf(schema)]));
const messages = compiled(messageSchemas);
const templates = compiled(templateSchemas);
const containers = compiled(containerSchemas);
const components = compiled(componentSchemas);
const requests = compiled(requestSchemas);

export function requestFaults(step: keyof typeof requestSchemas, body: unknown): Detail[] {
  return requests[step]?.(body, "") ?? [];
}

/** Of the messages of one request: 1 to 5. `size`: its bytes, where they are known. */
export function messageFaults(all: readonly unknown[], size = Number.POSITIVE_INFINITY): Detail[] {
  if (all.length < 1 || all.length > 5) return [{ property: "messages", message: "Size must be between 1 and 5" }];
  return all.flatMap((message, index) => messageFault(message, `messages[${index}]`, size));
}

function messageFault(message: unknown, path: string, size: number): Detail[] {
  const type = typeOf(message);
  // Of a template, what is wrong is told by its own schema, not as "none of those".
  if (type === "template" && isRecord(message)) {
    const wrong = dispatch(templates, message["template"], `${path}.template`);
    if (wrong.length > 0) return wrong;
  }
  const wrong = dispatch(messages, message, path);
  if (wrong.length > 0 || !isRecord(message)) return wrong;
  if (type === "template") return templateRules(message["template"], `${path}.template`);
  if (type === "flex") return containerFaults(message["contents"], `${path}.contents`, size);
  return [];
}

/** What one property says of another. */
function templateRules(template: unknown, path: string): Detail[] {
  if (!isRecord(template)) return [];
  if (template["type"] === "buttons") return textBeside(template, path, 160, 60);
  if (template["type"] !== "carousel") return [];
  const columns = recordsOf(template["columns"]);
  const [first] = columns;
  return columns.flatMap((column, index) => {
    const at = `${path}.columns[${index}]`;
    const wrong = textBeside(column, at, 120, 60);
    for (const property of ["thumbnailImageUrl", "title"]) {
      if (property in column !== property in (first ?? {})) {
        wrong.push({ property: `${at}.${property}`, message: "must be in all columns or in none" });
      }
    }
    if (listOf(column["actions"]).length !== listOf(first?.["actions"]).length) {
      wrong.push({ property: `${at}.actions`, message: "The number of actions must be the same in all columns" });
    }
    return wrong;
  });
}

/** With an image or a title there is less room for the text. */
function textBeside(given: Record<string, unknown>, path: string, alone: number, beside: number): Detail[] {
  const most = "thumbnailImageUrl" in given || "title" in given ? beside : alone;
  const count = [...new Intl.Segmenter().segment(String(given["text"]))].length;
  if (count <= most) return [];
  return [{ property: `${path}.text`, message: `Length must be between 1 and ${most}` }];
}

function containerFaults(container: unknown, path: string, size: number): Detail[] {
  const wrong = dispatch(containers, container, path);
  if (wrong.length > 0 || !isRecord(container)) return wrong;
  if (container["type"] === "carousel") {
    const bubbles = listOf(container["contents"]);
    if (isOver(container, 50 * 1024, size)) return [{ property: path, message: "must be at most 50 KB" }];
    const sizes = new Set(recordsOf(bubbles).map(({ size }) => size ?? "mega"));
    if (sizes.size > 1) return [{ property: path, message: "bubbles must have the same size" }];
    return bubbles.flatMap((bubble, index) => {
      const at = `${path}.contents[${index}]`;
      if (typeOf(bubble) !== "bubble") return [{ property: at, message: "must be a bubble" }];
      return containerFaults(bubble, at, size);
    });
  }
  if (isOver(container, 30 * 1024, size)) return [{ property: path, message: "must be at most 30 KB" }];
  const blocks = ["header", "hero", "body", "footer"].filter((name) => name in container);
  if (blocks.length === 0) return [{ property: path, message: "At least one block must be specified" }];
  return blocks.flatMap((name) => {
    const types = name === "hero" ? ["box", "image"] : ["box"];
    const at = `${path}.${name}`;
    if (!types.includes(typeOf(container[name]))) return [{ property: at, message: `must be ${types.join(" or ")}` }];
    return componentFaults(container[name], at);
  });
}

function componentFaults(component: unknown, path: string, depth = 0): Detail[] {
  if (depth > 10) return [{ property: path, message: "nested too deeply" }];
  const wrong = dispatch(components, component, path);
  if (wrong.length > 0 || !isRecord(component) || component["type"] !== "box") return wrong;
  return listOf(component["contents"]).flatMap((child, index) =>
    componentFaults(child, `${path}.contents[${index}]`, depth + 1),
  );
}

/** Checks by the schema of the value's type. */
function dispatch(checks: Readonly<Record<string, Check>>, value: unknown, path: string): Detail[] {
  const type = typeOf(value);
  const check = Object.hasOwn(checks, type) ? checks[type] : undefined;
  if (check) return check(value, path);
  const known = Object.keys(checks).join(", ");
  return [{ property: `${path}.type`, message: `Must be one of the following values: [${known}]` }];
}

function checkOf(schema: TSchema): Check {
  const validator = Compile(schema);
  return (value, path) => {
    if (validator.Check(value)) return [];
    const [first] = validator.Errors(value);
    // `/actions/0/label` is `actions[0].label` for LINE.
    const within = (first?.instancePath ?? "").replaceAll(/\/(\d+)(?=\/|$)/g, "[$1]").replaceAll("/", ".");
    return [{ property: `${path}${within}`.replace(/^\./, ""), message: first?.message ?? "is invalid" }];
  };
}

const typeOf = (value: unknown) => (isRecord(value) && typeof value["type"] === "string" ? value["type"] : "");
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const recordsOf = (value: unknown) => listOf(value).filter(isRecord);
/** Of what is whole no part is larger. */
const isOver = (value: unknown, most: number, whole: number) =>
  whole > most && Buffer.byteLength(JSON.stringify(value)) > most;
