/** OpenAPI 3.1, made from the contracts. TypeBox schemas are JSON Schema already. */
import type { TSchema } from "typebox";
import type { Loaded } from "../host/slot.ts";
import type { FilePart, HttpFunction } from "../http.ts";
import { problems, type ProblemKind } from "../problem.ts";
import type { Style } from "../style.ts";
import { hasNoBody, isRedirect } from "./status.ts";

export interface ApiInfo {
  title: string;
  version: string;
  description: string;
}

type Json = Record<string, unknown>;

/** The document for all HTTP functions among these. */
export function openapi(info: ApiInfo, functions: readonly Loaded[]): Json {
  const paths: Record<string, Json> = {};
  const securitySchemes: Json = {};
  for (const { name, definition } of functions) {
    if (definition.kind !== "http") continue;
    const path = definition.path.replaceAll(/:([^/]+)/g, "{$1}");
    const scheme = definition.contract.access.scheme;
    if (scheme) securitySchemes[scheme.name] = scheme.definition;
    (paths[path] ??= {})[definition.method.toLowerCase()] = operation(name, definition);
  }
  return {
    openapi: "3.1.0",
    info,
    paths: Object.fromEntries(Object.entries(paths).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    ...(Object.keys(securitySchemes).length > 0 && { components: { securitySchemes } }),
  };
}

function operation(name: string, { contract, style }: HttpFunction): Json {
  const statuses = typeof contract.status === "object" ? contract.status : [contract.status ?? 200];
  const responses: Json = {};
  for (const status of statuses) {
    const [type, schema] = contentOf(contract.returns, style, status);
    responses[status] = {
      description: isRedirect(status) ? "Go to another address" : status < 400 ? "Success" : "See the body",
      ...((contract.headers?.reply || isRedirect(status)) && {
        headers: Object.fromEntries(
          Object.entries({ ...(isRedirect(status) && { Location: "That address" }), ...contract.headers?.reply }).map(
            ([header, description]) => [header, { description, schema: { type: "string" } }],
          ),
        ),
      }),
      ...(!hasNoBody(status) && { content: { [type]: { schema } } }),
    };
  }
  if (isFile(contract.returns)) Object.assign(responses, ofFiles);
  for (const [status, kinds] of byStatus(problemsOf(contract), style)) {
    responses[status] ??= {
      description: kinds.map(({ code, message }) => `\`${code}\`: ${message}`).join("\n\n"),
      content: { [style.problemContentType]: { schema: style.problemSchema } },
    };
  }
  return {
    operationId: name.replaceAll("/", "."),
    tags: [contract.tag ?? (name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "system")],
    ...(contract.summary && { summary: contract.summary }),
    ...(contract.description && { description: contract.description }),
    parameters: [
      ...parameters("path", contract.params),
      ...parameters("query", contract.query),
      ...Object.entries(contract.headers?.request ?? {}).map(([header, description]) => {
        return { name: header, in: "header", description, schema: { type: "string" } };
      }),
    ],
    ...((contract.body || contract.files) && { requestBody: requestBody(contract) }),
    ...(contract.access.scheme && { security: [{ [contract.access.scheme.name]: [] }] }),
    responses,
  };
}

/** What is said of a file beside the whole of it (RFC 9110). */
const ofFiles: Json = {
  206: { description: "The part that `Range` asks for" },
  304: { description: "It is still as `If-None-Match` has it" },
  416: { description: "It has no such part" },
};

function requestBody({ body, files }: HttpFunction["contract"]): Json {
  if (!files) return { required: true, content: { "application/json": { schema: body } } };
  const { properties = {}, required = [] } = (body ?? {}) as { properties?: Json; required?: readonly string[] };
  const file = ({ description }: FilePart) => ({
    type: "string",
    format: "binary",
    ...(description && { description }),
  });
  const parts = Object.fromEntries(Object.entries(files).map(([name, part]) => [name, file(part)]));
  const schema = {
    type: "object",
    properties: { ...parts, ...properties },
    required: [...Object.keys(files), ...required.filter((name) => !hasDefault(properties[name]))],
  };
  return { required: true, content: { "multipart/form-data": { schema } } };
}

function hasDefault(property: unknown): boolean {
  return typeof property === "object" && property !== null && "default" in property;
}

/** Media type and schema of a success. What is not JSON says so itself, and has no envelope. */
function contentOf(returns: TSchema, style: Style, status: number): [type: string, schema: TSchema] {
  if ("contentMediaType" in returns) return [String(returns.contentMediaType), returns];
  return ["application/json", style.envelopeSchema?.(returns, status) ?? returns];
}

function isFile(returns: TSchema): boolean {
  return "contentMediaType" in returns && "format" in returns && returns.format === "binary";
}

/** The contract's own problems, and those that the runtime answers for such a contract. */
function problemsOf(contract: HttpFunction["contract"]): readonly ProblemKind[] {
  const kinds = [...(contract.access.problems ?? []), ...(contract.problems ?? [])];
  const hasBody = contract.body || contract.files;
  if (contract.params || contract.query || hasBody) kinds.push(problems.invalidRequest);
  if (contract.body && !contract.files) kinds.push(problems.invalidJson);
  if (hasBody) kinds.push(problems.requestTooLarge, problems.unsupportedMediaType);
  if (isFile(contract.returns)) kinds.push(problems.notFound);
  return kinds;
}

function byStatus(kinds: readonly ProblemKind[], style: Style): Map<number, ProblemKind[]> {
  return Map.groupBy(kinds, (kind) => style.problemStatus?.(kind) ?? kind.status);
}

function parameters(where: "path" | "query", schema: TSchema | undefined): Json[] {
  if (!schema || !("properties" in schema)) return [];
  const required: readonly unknown[] = "required" in schema && Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(schema.properties as Record<string, Json>).map(([name, property]) => ({
    name,
    in: where,
    required: where === "path" || (required.includes(name) && property["default"] === undefined),
    ...(typeof property["description"] === "string" && { description: property["description"] }),
    schema: property,
  }));
}
