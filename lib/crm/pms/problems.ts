/** What the routes of the PMS answer when they cannot do as asked. */
import { Problem } from "../../../runtime/problem.ts";

export const pmsNotConfigured = Problem.kind(503, "pms_not_configured", "There is no PMS: set PMS_API_URL");
export const syncIsRunning = Problem.kind(409, "sync_is_running", "A synchronisation is under way: wait for its end");
const busy = Problem.kind(503, "pms_is_busy", "A synchronisation is under way: try again shortly");
export const pmsIsBusy = Object.assign(() => busy({ headers: { "retry-after": "3" } }), {
  status: busy.status,
  code: busy.code,
  message: busy.message,
});
export const syncTaskNotFound = Problem.kind(404, "sync_task_not_found", "No synchronisation has this id");
export const reviewNotFound = Problem.kind(404, "review_not_found", "No review has this id");
export const reviewIsDecided = Problem.kind(409, "review_is_decided", "It has been decided who this guest is");
