/** From one step to the next: what runs after a deploy, a promotion, a rollback. */
import type { Deploy, DeployStore, Step } from "./store.ts";

export interface Who {
  by: string;
  reason?: string | undefined;
}

/**
 * The step that takes back `deploy`: a canary alone, or all of it, to what ran before. Undefined when nothing did.
 * What the step before it went back to stays the way back: two rollbacks go two deploys back.
 */
export async function stepBack(store: DeployStore, deploy: Deploy, { by, reason }: Who): Promise<Step | undefined> {
  const { function: name, target, previous } = deploy;
  const common = { function: name, action: "rollback" as const, canary: undefined, by, reason };
  if (deploy.canary) return { ...common, target, previous };
  // Of a promotion that is the canary: what all other calls ran on then.
  const before = previous === undefined ? undefined : await store.find(previous);
  if (before) return { ...common, target: before.target, previous: before.previous };
  return deploy.target.kind === "image" ? undefined : { ...common, target: { kind: "image" }, previous: undefined };
}
