-- The counters of all workers are one hash:
--
-- epoch                    since when they count, in milliseconds
-- base                     the sum of folded counts, framed
-- c:<worker>:<count>       the counters of one count of a worker, framed
-- folded                   of each folded count, oldest first, after a semicolon:
--                          <worker>:<count>=<sequence>@<milliseconds>
-- e:<list>                 a note of a list of ended connections: see ended.lua
--
-- A framed text follows a number and its own length: 7:4:text.
-- Returns the last sequence number of a count that was folded not long ago.
local function folded_sequence(folded, count, mark_ms)
  local _, last = string.find(folded, ';' .. count .. '=', 1, true)
  if not last then return end
  local sequence, at = string.match(folded, '^(%d+)@(%d+)', last + 1)
  if tonumber(at) + mark_ms > now then return tonumber(sequence) end
end
