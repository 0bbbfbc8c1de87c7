-- Stores a report. Returns the time if it was stored, 0 if it continues nothing. With
-- activity, activity.lua returns more.
--
-- The arguments are those of ReportArguments (scripts.py), in the same order. The
-- sections follow: those of Sections (ledger.py), each after its number of words. Then
-- the report may carry activity: see activity.lua.
local index, report, who, witness = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local worker_id = ARGV[2]
local sequence = tonumber(ARGV[3])
local full = ARGV[4]
local generation = ARGV[5]
local lease = tonumber(ARGV[6])
local keep = ARGV[7]
local index_keep = ARGV[8]
local forget = ARGV[9]
local counts = ARGV[10]
local had_buckets = ARGV[11]
local replaces = ARGV[12]
local latest = tonumber(ARGV[13])
local last_keep = ARGV[14]
local at = 15

local prefix = report .. ':' .. generation .. ':'
local users, bucket_indexes = user_sets(report, generation), prefix .. 'marks'
local bucket_ages = prefix .. 'oldest'

-- Calls with the first and the last position of the next section, at most 1000 words
-- at a time: Lua can pass only some thousands of arguments to a command.
local function take(call)
  local last = at + ARGV[at]
  for first = at + 1, last, 1000 do
    call(first, math.min(first + 999, last))
  end
  at = last + 1
end

-- Renews the user sets. They end 100 ms apart, since Redis needs time to free a large
-- set. Returns whether all sets exist.
local function keep_users()
  local there = true
  for part, set in ipairs(users) do
    if redis.call('PEXPIRE', set, keep + (part - 1) * 100) == 0 then there = false end
  end
  return there
end

-- First check whether this report continues what is stored.
verify_writable(report)
-- The network or the server delayed this report until after its worker's lease.
if latest and now > latest then return 0 end
local kept = redis.call('GET', report)
local known, known_generation, known_users = head(kept)
local before = tonumber(known)
if before and now < tonumber(string.match(kept, '^%d+:[%d.]*:%d+:(%d+):') or 0) then
  forget_future(index, lease)
end
if full == '1' then
  if before and sequence <= before then return 0 end
  if before and known_generation ~= '' then
    local old = report .. ':' .. known_generation .. ':'
    local sets = user_sets(report, known_generation)
    redis.call('UNLINK', old .. 'marks', old .. 'oldest', unpack(sets))
  end
else
  if before ~= sequence - 1 or known_generation ~= generation then return 0 end
  if redis.call('PEXPIRE', who, keep) == 0 then return 0 end
  -- Redis deletes an empty set, so a missing single set is normal if the worker has no
  -- users. One of several sets is never empty.
  if not keep_users() and (known_users ~= '0' or #users > 1) then return 0 end
  if had_buckets == '1' and redis.call('EXISTS', bucket_indexes) == 0 then return 0 end
end

local lost = false
local function on_renewed(first, last)
  for position = first, last do
    if redis.call('PEXPIRE', prefix .. ARGV[position], keep) == 0 then lost = true end
  end
end
take(on_renewed)
if lost then return 0 end

-- From here on, the report is stored.
if full == '1' and #users > 1 then
  for _, set in ipairs(users) do redis.call('SADD', set, '\255') end
end
local online = 0
if full ~= '1' then online = tonumber(known_users) end
local function change_users(command, sign, first, last)
  for position = first, last do
    local part, some = unpack(cmsgpack.unpack(ARGV[position]))
    online = online + sign * redis.call(command, users[part + 1], unpack(some))
  end
end
local function on_users_left(first, last) change_users('SREM', -1, first, last) end
local function on_users_joined(first, last) change_users('SADD', 1, first, last) end
local function on_dropped(first, last)
  local keys = {}
  for position = first, last do keys[#keys + 1] = prefix .. ARGV[position] end
  redis.call('UNLINK', unpack(keys))
  redis.call('HDEL', bucket_indexes, unpack(ARGV, first, last))
end
local function on_changed(first, last)
  for position = first, last do
    local number, closed, opened = unpack(cmsgpack.unpack(ARGV[position]))
    local bucket = prefix .. number
    if #closed > 0 then redis.call('HDEL', bucket, unpack(closed)) end
    if #opened > 0 then redis.call('HSET', bucket, unpack(opened)) end
    redis.call('PEXPIRE', bucket, keep)
  end
end
local function on_indexes(first, last)
  redis.call('HSET', bucket_indexes, unpack(ARGV, first, last))
end
local function on_ages(first, last)
  for position = first, last, 2 do
    local group, ages = ARGV[position], ARGV[position + 1]
    if ages == '' then
      redis.call('HDEL', bucket_ages, group)
    else
      redis.call('HSET', bucket_ages, group, ages)
    end
  end
end
local function on_facts(first, last) redis.call('HSET', who, unpack(ARGV, first, last)) end
take(on_users_left)
take(on_users_joined)
take(on_dropped)
take(on_changed)
take(on_indexes)
take(on_ages)
take(on_facts)
-- Only now: a key that was empty for a moment has lost its end.
if full == '1' or #users == 1 then keep_users() end
local last = keep
if #users > 1 then last = keep + #users * 100 end
redis.call('PEXPIRE', bucket_indexes, last)
redis.call('PEXPIRE', bucket_ages, last)
if full == '1' then redis.call('PEXPIRE', who, keep) end

local text = table.concat({ARGV[3], generation, online, now, counts}, ':')
redis.call('SET', report, text, 'PX', keep)

-- The index of workers.
if redis.call('ZCOUNT', index, '(' .. now, '+inf') == 0 then
  if redis.call('EXISTS', index) == 0 then
    local since = 'first'
    local last = redis.call('GET', witness)
    -- The index was deleted while workers were alive, or it ended after the last one.
    if last then
      if now < tonumber(string.match(last, ':(%d+)$') or 0) then since = 'again' end
    elseif replaces == '1' then
      since = 'again'
    end
    if before then since = 'again' end
    redis.call('ZADD', index, -now, since)
  elseif redis.call('ZCOUNT', index, 0, now) > 0 then
    -- No worker could report for a lease. The others report soon, as after a loss.
    redis.call('ZADD', index, -now, 'silent')
  end
end
redis.call('SET', witness, now .. ':' .. (now + lease), 'PX', last_keep)
redis.call('ZADD', index, now + lease, worker_id)
-- After a silence, workers that could not report for long have a lease to report again.
local silence = now + tonumber(redis.call('ZSCORE', index, 'silent') or 0)
if silence < 0 or silence >= lease then
  redis.call('ZREMRANGEBYSCORE', index, 0, now - forget)
end
redis.call('PEXPIRE', index, index_keep)

-- Without activity, this is all.
if not ARGV[at] then return now end
