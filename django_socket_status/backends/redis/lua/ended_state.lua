-- Returns the time; the state of a list of ended connections (see ended.lua): false if
-- there is no list, and an empty text if it is damaged; and the note of the list.
local state = redis.pcall('HGET', KEYS[1], 'state')
if type(state) ~= 'string' then
  state = redis.call('EXISTS', KEYS[1]) == 1 and ''
end
local note = redis.pcall('HGET', KEYS[2], ARGV[2])
return {now, state, type(note) == 'string' and note}
