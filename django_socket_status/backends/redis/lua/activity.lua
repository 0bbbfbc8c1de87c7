-- Takes the activity of a report that report.lua has stored. Returns the time, the
-- sequence number with which this count was folded or -1, 1 if the count was forgotten,
-- 1 if the worker has to take a sample, and the commands, each before its number.
--
-- The arguments are those of ActivityArguments (activity/arguments.py), in the same
-- order. Then, each after its number of words: the lists of ended connections, and the
-- results of commands.
local totals, told, commands = KEYS[5], KEYS[6], KEYS[7]
local idle = ARGV[at]
local count_key = ARGV[at + 1]
local is_new = ARGV[at + 2]
local counters = ARGV[at + 3]
local condition = ARGV[at + 4]
local commands_after = ARGV[at + 5]
local sample_ms = tonumber(ARGV[at + 6])
local mark_ms = tonumber(ARGV[at + 7])
local stops = ARGV[at + 8]
at = at + 9
local folded_at, is_forgotten = -1, 0

-- Takes the counters, unless the count was folded or lost. Usually this is one command.
local function take_counters(key)
  local field = 'c:' .. count_key
  if redis.call('HSET', key, field, counters) == 0 then return end
  local epoch, folded = unpack(redis.call('HMGET', key, 'epoch', 'folded'))
  folded_at = folded and folded_sequence(folded, count_key, mark_ms) or -1
  if folded_at == -1 and is_new == '1' then
    if not epoch then redis.call('HSET', key, 'epoch', now) end
    redis.call('PEXPIRE', key, idle)
    return
  end
  if folded_at == -1 then is_forgotten = 1 end
  redis.call('HDEL', key, field)
end

-- Returns the commands that the worker has not received and that have not expired.
local function current_commands(key)
  local found = {}
  local all = redis.call(
    'ZRANGEBYSCORE', key, '(' .. commands_after, '+inf', 'WITHSCORES'
  )
  for position = 1, #all, 2 do
    local given_at, expires_at = string.match(all[position], '^(%d+):(%d+):')
    given_at, expires_at = tonumber(given_at), tonumber(expires_at)
    -- A command from the future is from before the clock was set back.
    if given_at <= now and now < expires_at then
      found[#found + 1] = all[position]
      found[#found + 1] = all[position + 1]
    end
  end
  return found
end

-- Returns the number of the last command; 0 if there is none.
local function last_command()
  local all = redis.pcall('ZRANGEBYSCORE', commands, '-inf', '+inf', 'WITHSCORES')
  return all[#all] or 0
end

-- Returns
local function read_told(key)
  local sampled_at, command = unpack(redis.call('HMGET', key, 'sampled', 'command'))
  sampled_at, command = tonumber(sampled_at), tonumber(command)
  local has_news = not command or command > tonumber(commands_after)
  if not sample_ms then return {0, has_news} end
  local waited = sampled_at and now - sampled_at or -1
  -- See is_sample_due() in activity/limits.py.
  if waited >= 0 and waited <= now % sample_ms then return {0, has_news} end
  redis.call('HSET', key, 'sampled', now, 'command', command or last_command())
  redis.call('PEXPIRE', key, idle)
  -- While workers live, the counters stay.
  redis.call('PEXPIRE', totals, idle)
  return {1, has_news}
end

-- Keeps the result of a command that is known.
local function keep_result(key, text)
  if redis.call('EXISTS', key) == 1 then redis.call('HSET', key, worker_id, text) end
end

if count_key ~= '' then attempt(take_counters, totals) end
if condition ~= '' then redis.pcall('HSET', who, 'c', condition) end
local function on_ended(first, last)
  for position = first, last, 7 do
    local most, most_ms = tonumber(ARGV[position + 4]), tonumber(ARGV[position + 5])
    attempt(
      keep_ended, ARGV[position], totals, ARGV[position + 1], ARGV[position + 2],
      ARGV[position + 3], most, most_ms, tonumber(ARGV[position + 6]), idle
    )
  end
end
local function on_results(first, last)
  for position = first, last, 2 do
    attempt(keep_result, ARGV[position], ARGV[position + 1])
  end
end
take(on_ended)
take(on_results)
local samples, has_news = unpack(attempt(read_told, told))
local received = has_news and attempt(current_commands, commands) or {}
if stops == '1' then
  forget_worker(
    index, report, witness, worker_id, sequence, generation, keep, last_keep
  )
end
return {now, folded_at, is_forgotten, samples, received}
