/** For `node --import`: what is run then takes packages from where they are put together, as `fn` does. */
import { join } from "node:path";
import { usePacked } from "./use.ts";

usePacked(join(import.meta.dirname, "../.."));
