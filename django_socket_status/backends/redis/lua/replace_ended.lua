-- Replaces texts of ended connections (see ended.lua) that are as they were read. After
-- the time, the arguments are the number, the old and the new text of each. Returns the
-- numbers of those that were replaced.
local key = KEYS[1]
local state = redis.call('HGET', key, 'state')
local first, following, entries, bytes, oldest =
  string.match(state or '', '^(%d+):(%d+):(%d+):(%d+):(%d+)$')
if not first then return {} end
local replaced = {}
for position = 2, #ARGV, 3 do
  local number, old, new = ARGV[position], ARGV[position + 1], ARGV[position + 2]
  local head = redis.call('HGET', key, 'h' .. number)
  local facts = string.match(head or '', '^(%d+:%d+:%d+:)%d+$')
  if facts and redis.call('HGET', key, number) == old then
    redis.call('HSET', key, number, new, 'h' .. number, facts .. #new)
    bytes = bytes - #old + #new
    replaced[#replaced + 1] = number
  end
end
redis.call(
  'HSET', key, 'state', table.concat({first, following, entries, bytes, oldest}, ':')
)
return replaced
