-- SPDX-License-Identifier: Apache-2.0
-- Sends the requests of the file named by REQUESTS, each to changing endpoints, so that none is a duplicate.
local requests = dofile(os.getenv("REQUESTS"))
local threads = 0
function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end
local n = 0
function request()
  n = n + 1
  local endpoint = math.floor(n / #requests) % 2000
  return "POST /v1/notifications/bench/e" .. id .. "-" .. endpoint .. " HTTP/1.1\r\n" .. requests[n % #requests + 1]
end
