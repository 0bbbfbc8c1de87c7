-- Calls a function with a key and more arguments. If what the key holds is damaged, the
-- function raises. Then the key is removed, and the function begins from nothing.
local function attempt(call, key, ...)
  local is_done, found = pcall(call, key, ...)
  if is_done then return found end
  redis.call('UNLINK', key)
  return call(key, ...)
end
