-- Returns the state of the index of workers, by which a "no" is judged, and whether a
-- user is on a live worker: 1 if so, 0 if not, -1 if users were lost, -2 if a worker
-- does not tell users.
local index, witness = KEYS[1], KEYS[2]
local prefix, user, hash = ARGV[2], ARGV[3], tonumber(ARGV[4])
local state, ids = index_state(index, witness)
local answer = 0
for _, id in ipairs(ids) do
  local report = redis.pcall('GET', prefix .. id)
  local _, generation, online = head(report)
  if not generation or generation == '' then
    answer = -1
  elseif online ~= '0' then
    local users = user_set(prefix .. id, generation, hash % parts_of(generation))
    local found = redis.pcall('SISMEMBER', users, user)
    if found == 1 then
      answer = 1
      break
    end
    if found ~= 0 or redis.call('EXISTS', users) == 0 then answer = -1 end
  elseif not tells_users(report) then
    answer = -2
  end
end
return {state, answer}
