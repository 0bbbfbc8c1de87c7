-- Returns the time, and the state of a list of ended connections (see ended.lua): false
-- if there is no list, and an empty text if it is damaged.
local state = redis.pcall('HGET', KEYS[1], 'state')
if type(state) ~= 'string' then
  state = redis.call('EXISTS', KEYS[1]) == 1 and ''
end
return {now, state}
