-- Posts one patient again and again and prints what came of it as one line of JSON.

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

function init(args)
  wrk.body = args[1]
  if args[2] then wrk.headers["X-API-Key"] = args[2] end
end

function done(summary, latency, requests)
  local e = summary.errors
  print(string.format('{"requests": %d, "microseconds": %d, "errors": %d}',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
