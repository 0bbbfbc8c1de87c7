-- Returns the time, and all commands, each before its number: see give_command.lua.
local found = redis.pcall('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'WITHSCORES')
if found.err then found = false end
return {now, found}
