-- Takes the request from the environment, and reports in one line of JSON.
wrk.headers["Authorization"] = os.getenv("AUTHORIZATION")
if os.getenv("BODY") then
  wrk.method = "POST"
  wrk.body = os.getenv("BODY")
  wrk.headers["Content-Type"] = "application/json"
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"replies":%d,"seconds":%f,"failed":%d,"p50Ms":%f,"p99Ms":%f}',
    summary.requests,
    summary.duration / 1e6,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000,
    latency:percentile(99) / 1000
  ))
end
