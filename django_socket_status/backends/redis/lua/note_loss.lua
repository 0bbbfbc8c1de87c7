-- Notes for other readers that the index of workers is missing, and until when answers
-- may be incomplete. Changes nothing if there is an index by now. Returns its state.
local index, witness = KEYS[1], KEYS[2]
local lease = ARGV[2]
local last_keep = ARGV[3]
local state = index_state(index, witness)
if #state[2] == 0 then
  state[6] = now .. ':' .. (now + lease)
  redis.call('SET', witness, state[6], 'PX', last_keep)
end
return state
