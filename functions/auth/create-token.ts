import { Type } from "typebox";
import { problems } from "#runtime";
import { client } from "#lib/auth/access.ts";
import { parsePermission, permissions } from "#lib/auth/permissions.ts";
import { ClientName, createToken, Department, Quota } from "#lib/auth/tokens.ts";
import { authApi } from "./_api.ts";

const NewClient = Type.Object({
  client_name: ClientName,
  department: Type.Optional(Department),
  permissions: Type.Array(Type.String(), { minItems: 1, maxItems: 10, description: permissions.join(", ") }),
  quota: Type.Optional(Quota),
});

const Issued = Type.Object({
  token: Type.String({ description: "Shown this once: only its hash is kept" }),
  client_id: Type.String(),
  created_at: Type.String({ format: "date-time" }),
});

export default authApi
  .post("/api/v1/auth/token", {
    summary: "Issue a token for a client system",
    access: client("admin"),
    body: NewClient,
    returns: Issued,
    status: 201,
  })
  .handle(async ({ body }, ctx) => {
    const parsed = body.permissions.map(parsePermission);
    const details = parsed.flatMap((permission, index) =>
      permission ? [] : [{ field: `permissions[${index}]`, message: `must be one of ${permissions.join(", ")}` }],
    );
    if (details.length > 0) throw problems.invalidRequest({ details });
    const issued = await createToken(ctx, {
      clientName: body.client_name,
      department: body.department,
      permissions: parsed.filter((permission) => permission !== undefined),
      quota: body.quota,
    });
    return { token: issued.token, client_id: issued.clientId, created_at: issued.createdAt.toISOString() };
  });
