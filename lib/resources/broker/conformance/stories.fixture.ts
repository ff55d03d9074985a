/** What every broker promises, told once and played against each driver on its real server. */
import type { Driver } from "../conformance.fixture.ts";
import { connectionStories } from "./connection.fixture.ts";
import { consumerStories } from "./consumers.fixture.ts";
import { messageStories } from "./messages.fixture.ts";
import { openWorld, type World } from "./world.fixture.ts";

export function conformance(driver: Driver): World {
  const world = openWorld(driver);
  messageStories(world);
  consumerStories(world);
  connectionStories(world);
  return world;
}
