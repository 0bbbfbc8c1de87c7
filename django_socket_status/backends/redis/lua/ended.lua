-- Keeps a text of ended connections in a hash:
--
-- <n>       a text
-- h<n>      when it was kept, how many connections it holds and leaves out, its bytes
-- state     the number of the oldest text, the number after the newest one, how many
--           connections and bytes there are, and when the oldest text was kept
--
-- Few old texts are removed at a time. Readers ignore the others.
local function read_head(head)
  local kept_at, number, size = string.match(head or '', '^(%d+):(%d+):%d+:(%d+)$')
  return tonumber(kept_at), math.max(1, tonumber(number)), tonumber(size)
end

local function keep_ended(
  key, number, left_out, text, most, most_ms, most_bytes, idle
)
  local first, following, entries, bytes, oldest = 1, 1, 0, 0, now
  local state = redis.call('HGET', key, 'state')
  if state then
    first, following, entries, bytes, oldest =
      string.match(state, '^(%d+):(%d+):(%d+):(%d+):(%d+)$')
    first, following, oldest = tonumber(first), tonumber(following), tonumber(oldest)
  elseif redis.call('EXISTS', key) == 1 then
    error('damaged')
  end
  entries, bytes = entries + math.max(1, tonumber(number)), bytes + #text
  for _ = 1, 16 do
    local is_over = entries > most or bytes > most_bytes or now - oldest >= most_ms
    if first == following or not is_over then break end
    local _, old_entries, old_bytes = read_head(redis.call('HGET', key, 'h' .. first))
    redis.call('HDEL', key, first, 'h' .. first)
    first, entries, bytes = first + 1, entries - old_entries, bytes - old_bytes
    oldest = now
    if first < following then
      oldest = read_head(redis.call('HGET', key, 'h' .. first))
    end
  end
  local head = table.concat({now, number, left_out, #text}, ':')
  state = table.concat({first, following + 1, entries, bytes, oldest}, ':')
  redis.call('HSET', key, following, text, 'h' .. following, head, 'state', state)
  redis.call('PEXPIRE', key, idle)
end
