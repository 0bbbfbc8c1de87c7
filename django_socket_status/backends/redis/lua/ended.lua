-- Keeps a text of ended connections in a hash:
--
-- <n>       a text
-- h<n>      when it was kept, how many connections it holds and leaves out, its bytes
-- state     the number of the oldest text, the number after the newest one, how many
--           connections and bytes there are, and when the oldest text was kept
--
-- Few old texts are removed at a time. Readers ignore the others.
--
-- If Redis loses the list alone, the counters still have a note of it, in the field
-- e:<list>: when a text was kept last, the number after that text, and when the last one
-- was kept of a list that was lost. Workers of older versions write no note.
local function read_head(head)
  local kept_at, number, size = string.match(head or '', '^(%d+):(%d+):%d+:(%d+)$')
  return tonumber(kept_at), math.max(1, tonumber(number)), tonumber(size)
end

-- Notes in the counters that a text was kept. Numbers only grow, unless the list was lost.
local function note_kept(totals, key, following)
  local field = 'e:' .. string.match(key, '[^:]*$')
  local note, epoch = unpack(redis.call('HMGET', totals, field, 'epoch'))
  if not epoch then return end
  local last, before, lost = string.match(note or '', '^(%d+):(%d+):(%d+)$')
  if last and following <= tonumber(before) then lost = last end
  redis.call('HSET', totals, field, table.concat({now, following, lost or 0}, ':'))
end

local function keep_ended(
  key, totals, number, left_out, text, most, most_ms, most_bytes, idle
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
  -- The list stays, whatever the counters are.
  pcall(note_kept, totals, key, following + 1)
end
