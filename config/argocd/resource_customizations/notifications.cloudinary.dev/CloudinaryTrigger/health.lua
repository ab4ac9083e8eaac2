-- Green: Cloudinary has what the manifest says. Red: a person is needed. In between: the operator goes on by itself.
local hs = {status = "Progressing", message = "Waiting for the operator to look at this version of the manifest"}
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end
local ready, stalled
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    ready = condition
  elseif condition.type == "Stalled" and condition.status == "True" then
    stalled = condition
  end
end
if ready == nil then
  return hs
end
if ready.status == "True" then
  return {status = "Healthy", message = ready.message}
end
local cause = stalled or ready
hs.message = cause.reason .. ": " .. cause.message
if stalled ~= nil then
  hs.status = "Degraded"
  -- Who asks the operator to look and not to touch has paused it: the difference is what they want to see, and nothing is broken.
  if stalled.reason == "Drifted" and obj.spec.managementPolicy == "Observe" then
    hs.status = "Suspended"
  end
end
return hs
