-- The receiver redrives whenever the value is another one.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["notifications.cloudinary.dev/redrive"] = os.date("!%Y-%m-%dT%XZ")
return obj
