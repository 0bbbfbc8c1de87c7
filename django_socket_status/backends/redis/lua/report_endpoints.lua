-- Keeps a text, unless that of a worker with newer code is kept. Returns whether it did.
local key = KEYS[1]
local age = tonumber(ARGV[2])
local text = ARGV[3]
local keep = ARGV[4]
local loaded = math.max(0, now - age)
local known, before, kept = redis.call('GET', key), nil, nil
if known then before, kept = string.match(known, '^(%d+):(.*)$') end
before = tonumber(before)
-- A time in the future is from before the clock was set back: such code is older.
if before and loaded < before and before <= now then
  if kept ~= text then return 0 end
  loaded = before
end
redis.call('SET', key, string.format('%.0f', loaded) .. ':' .. text, 'PX', keep)
return 1
