-- Green: the product environment was read with the endpoint's credentials. Red: a person is needed. In between: the operator goes on by itself.
local hs = {status = "Progressing", message = "Waiting for the operator to look at this version of the manifest"}
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end
local ready, stalled
local deliveries = ""
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    ready = condition
  elseif condition.type == "Stalled" and condition.status == "True" then
    stalled = condition
  elseif (condition.type == "Verifying" or condition.type == "Delivering") and condition.status ~= "True" then
    -- Said, and no reason for red. The target that fails may be repaired by the very sync that a red endpoint would stop, and
    -- dead letters stay until somebody has them delivered.
    deliveries = deliveries .. " | " .. condition.type .. " is " .. condition.status .. ", " .. condition.reason .. ": " .. condition.message
  end
end
if ready == nil then
  return hs
end
if ready.status == "True" then
  return {status = "Healthy", message = ready.message .. deliveries}
end
local cause = stalled or ready
hs.message = cause.reason .. ": " .. cause.message
if stalled ~= nil then
  hs.status = "Degraded"
end
return hs
