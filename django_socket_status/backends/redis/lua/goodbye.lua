-- Forgets a worker, unless it has reported since.
local index, report, witness = KEYS[1], KEYS[2], KEYS[3]
local worker_id = ARGV[2]
local sent = tonumber(ARGV[3])
local keep = ARGV[4]
local last_keep = ARGV[5]
local known, generation = head(redis.call('GET', report))
if known and sent and tonumber(known) > sent then return 0 end
local last = math.max(tonumber(known) or 0, sent or 0)
if not known and not sent then last = nil end
forget_worker(index, report, witness, worker_id, last, generation, keep, last_keep)
return last and 1 or 0
