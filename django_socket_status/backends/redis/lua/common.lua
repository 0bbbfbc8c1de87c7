-- Every script begins with this. ARGV[1] is the time in milliseconds, or '' for the
-- time of the server.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Changes nothing, and raises if writing would: on a replica, without memory, without
-- permission. A script calls it first, since Redis does not roll back a script.
local function verify_writable(key)
  redis.call('SETRANGE', key, 0, '')
end

-- Returns the number of user sets of a generation; nil if no worker makes such a name.
local function parts_of(generation)
  if string.match(generation, '^%d+$') then return 1 end
  local parts = tonumber(string.match(generation, '^%d+%.(%d+)$'))
  if parts and parts > 1 and parts <= 1024 then return parts end
end

-- Returns sequence, generation and number of users of a report; nothing if it is
-- damaged. The generation is empty after a goodbye.
local function head(report)
  if type(report) ~= 'string' then return end
  local sequence, generation, users = string.match(report, '^(%d+):([%d.]*):(%d+):')
  if not sequence or #sequence > 15 or #generation > 20 or #users > 9 then return end
  if generation ~= '' and not parts_of(generation) then return end
  return sequence, generation, users
end

local function user_set(start, generation, part)
  local set = start .. ':' .. generation .. ':users'
  if parts_of(generation) == 1 then return set end
  return set .. ':' .. part
end

local function user_sets(start, generation)
  local sets = {}
  for part = 1, parts_of(generation) do
    sets[part] = user_set(start, generation, part - 1)
  end
  return sets
end

-- Removes leases from before the clock was set back, since they would end too late.
-- Live workers report again within a heartbeat. Until then it is as after a loss.
local function forget_future(index, lease)
  if redis.call('ZREMRANGEBYSCORE', index, '(' .. (now + lease), '+inf') > 0 then
    redis.call('ZADD', index, -now, 'again')
  end
end

-- Returns the fields of WorkerIndex (replies.py), and the ids of the live workers.
local function index_state(index, witness)
  local since = redis.call('ZRANGEBYSCORE', index, '-inf', '(0', 'WITHSCORES')
  local ids = redis.call('ZRANGEBYSCORE', index, '(' .. now, '+inf')
  local late, ended, last = redis.call('ZCOUNT', index, 0, now), false, false
  if late > 0 and #ids == 0 then
    local all = redis.call('ZRANGEBYSCORE', index, 0, now, 'WITHSCORES')
    ended = all[#all]
  end
  if #since == 0 then last = redis.call('GET', witness) end
  return {now, since, late, #ids, ended, last}, ids
end

-- Returns whether the worker of a report keeps details, and so tells users.
local function tells_users(report)
  local packed = string.match(report, '^%d+:[%d.]*:%d+:%d+:(.*)$')
  local read, counts = pcall(cmsgpack.unpack, packed)
  return read and type(counts) == 'table' and counts[3]
end
