-- Keeps a command for workers. Returns its number; 0 if too many have not expired.
--
-- Commands are a sorted set by their numbers. A member holds when the command was given
-- and when it expires, the length of its id, the id, and the packed command. The results
-- of a command are a hash by worker, which is there as long as the command.
local commands, results, told = KEYS[1], KEYS[2], KEYS[3]
local idle = ARGV[2]
local kept_ms = tonumber(ARGV[3])
local most = tonumber(ARGV[4])
local expires_ms = ARGV[5]
local command_id = ARGV[6]
local packed = ARGV[7]

local function drop(key, member, length, start)
  local id = string.sub(member, start, start + length - 1)
  redis.call('ZREM', key, member)
  -- Results are named by the end of the key.
  redis.call('UNLINK', string.sub(results, 1, -#command_id - 1) .. id)
end

-- Tells reports the number of the last command.
local function tell(key, number)
  redis.call('HSET', key, 'command', number)
  redis.call('PEXPIRE', key, idle)
end

local function give(key)
  local all = redis.call('ZRANGEBYSCORE', key, '-inf', '+inf', 'WITHSCORES')
  local count, last, expired = 0, 0, nil
  for position = 1, #all, 2 do
    local member = all[position]
    local given_at, expires_at, length, start =
      string.match(member, '^(%d+):(%d+):(%d+):()')
    length, last = tonumber(length), tonumber(all[position + 1])
    if now - tonumber(given_at) >= kept_ms then
      drop(key, member, length, start)
    else
      count = count + 1
      if not expired and now >= tonumber(expires_at) then
        expired = {member, length, start}
      end
    end
  end
  if count >= most then
    if not expired then return 0 end
    drop(key, unpack(expired))
  end
  local number = math.max(last + 1, now)
  local member = table.concat(
    {now, now + expires_ms, #command_id, command_id .. packed}, ':'
  )
  redis.call('ZADD', key, number, member)
  attempt(tell, told, number)
  redis.call('PEXPIRE', key, idle)
  redis.call('HSET', results, '', '')
  redis.call('PEXPIRE', results, kept_ms)
  return number
end

-- It was given before, and the answer was lost.
if redis.call('EXISTS', results) == 1 then return 1 end
return attempt(give, commands)
