-- Dead letters are delivered again when a person says so, who knows that the cause is gone.
local dead = false
if obj.status ~= nil then
  if obj.status.receiver ~= nil and obj.status.receiver.targets ~= nil then
    for _, target in ipairs(obj.status.receiver.targets) do
      dead = dead or (target.deadLetters ~= nil and target.deadLetters > 0)
    end
  end
  if obj.status.conditions ~= nil then
    for _, condition in ipairs(obj.status.conditions) do
      dead = dead or (condition.type == "Delivering" and condition.reason == "DeadLetters")
    end
  end
end
local actions = {}
actions["redrive"] = {
  ["disabled"] = not dead,
  ["displayName"] = "Redrive dead letters",
  ["iconClass"] = "fa fa-fw fa-redo"
}
return actions
