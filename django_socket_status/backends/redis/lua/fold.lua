-- Replaces the base, and removes the counts that it now includes. Returns 0, and changes
-- nothing, if anything is not as it was read or a worker is live. Each count follows the
-- other arguments: worker, number, sequence, and its framed text.
local totals, index = KEYS[1], KEYS[2]
local prefix = ARGV[2]
local idle = ARGV[3]
local mark_ms = tonumber(ARGV[4])
local most_bytes = tonumber(ARGV[5])
local keep = ARGV[6]
local before, after = ARGV[7], ARGV[8]
local first = 9
local fields = {}

local function is_as_read(at)
  local until_at = redis.call('ZSCORE', index, ARGV[at])
  if until_at and tonumber(until_at) > now then return false end
  fields[#fields + 1] = 'c:' .. ARGV[at] .. ':' .. ARGV[at + 1]
  return redis.call('HGET', totals, fields[#fields]) == ARGV[at + 3]
end

-- Forgets the oldest marks, some at a time. They are in the order of time, unless the
-- clock was set back.
local function shortened(folded)
  local start = 1
  for _ = 1, 64 do
    local at = tonumber(string.match(folded, '^;[^;]*@(%d+)', start))
    if at and now - at < mark_ms and #folded - start < most_bytes then break end
    start = string.find(folded, ';', start + 1, true)
    if not start then return '' end
  end
  return string.sub(folded, start)
end

-- Makes the worker report in full: only then it is sure to send its counters.
local function forget_report(report)
  local sequence = head(redis.pcall('GET', report))
  if sequence then redis.call('SET', report, sequence .. '::0:0:', 'PX', keep) end
end

local epoch, base, folded = unpack(
  redis.call('HMGET', totals, 'epoch', 'base', 'folded')
)
if not epoch or (base or '') ~= before then return 0 end
for at = first, #ARGV, 4 do
  if not is_as_read(at) then return 0 end
end
folded = folded or ''
for at = first, #ARGV, 4 do
  local count = ARGV[at] .. ':' .. ARGV[at + 1]
  folded = folded .. ';' .. count .. '=' .. ARGV[at + 2] .. '@' .. now
end
-- First what may fail without memory.
redis.call('HSET', totals, 'base', after, 'folded', shortened(folded))
if #fields > 0 then redis.call('HDEL', totals, unpack(fields)) end
redis.call('PEXPIRE', totals, idle)
for at = first, #ARGV, 4 do forget_report(prefix .. ARGV[at]) end
return 1
