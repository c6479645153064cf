local check = require("check")

local function kilobytes()
  collectgarbage()
  collectgarbage()
  return collectgarbage("count")
end

-- Garbage goes: 100 MB of strings and tables pass through a few MB of memory.
for _, mode in ipairs({ "incremental", "generational" }) do
  collectgarbage(mode)
  local before = kilobytes()
  local highest = 0
  for i = 1, 200000 do
    local garbage = { tostring(i), { i }, ("x"):rep(200) }
    if i % 1000 == 0 then highest = math.max(highest, collectgarbage("count")) end
    if #garbage ~= 3 then check.that("garbage", false) end
  end
  check.that(mode .. ": memory stays bounded", highest < before + 40000)
  check.that(mode .. ": garbage is collected", kilobytes() < before + 100)
end
collectgarbage("incremental")

-- Weak tables.
local weak_values = setmetatable({}, { __mode = "v" })
local weak_keys = setmetatable({}, { __mode = "k" })
local kept = {}
for i = 1, 100 do
  local object = {}
  weak_values[i] = object
  weak_keys[object] = i
  if i % 10 == 0 then kept[#kept + 1] = object end
end
collectgarbage()
local values, keys = 0, 0
for _ in pairs(weak_values) do values = values + 1 end
for _ in pairs(weak_keys) do keys = keys + 1 end
check.equal("weak values", values, 10)
check.equal("weak keys", keys, 10)

-- Ephemerons: a value that refers to its own key keeps nothing alive.
local ephemeron = setmetatable({}, { __mode = "k" })
for _ = 1, 10 do
  local key = {}
  ephemeron[key] = { key }
end
collectgarbage()
check.equal("ephemerons", next(ephemeron), nil)

-- Finalizers run, in reverse order of their marking, and may bring an object back once.
local order, revived = {}, nil
for i = 1, 3 do
  setmetatable({}, { __gc = function() order[#order + 1] = i end })
end
setmetatable({ "back" }, { __gc = function(object) revived = object end })
collectgarbage()
collectgarbage()
check.equal("finalizers", table.concat(order, " "), "3 2 1")
check.equal("revived", revived and revived[1], "back")

-- A long list and a deep tree live through collections.
local list
for i = 1, 100000 do list = { next = list, value = i } end
collectgarbage()
local sum = 0
while list do
  sum = sum + list.value
  list = list.next
end
check.equal("list", sum, 5000050000)

local function tree(depth)
  if depth == 0 then return {} end
  return { tree(depth - 1), tree(depth - 1) }
end
local function nodes(node)
  if not node[1] then return 1 end
  return 1 + nodes(node[1]) + nodes(node[2])
end
local long_lived = tree(14)
for depth = 4, 12, 4 do
  local total = 0
  for _ = 1, 1 << (12 - depth) do total = total + nodes(tree(depth)) end
  check.equal("trees of depth " .. depth, total, (1 << (12 - depth)) * ((2 << depth) - 1))
end
check.equal("long-lived tree", nodes(long_lived), 32767)

-- Tables that grow and shrink.
local map = {}
for i = 1, 100000 do map["key" .. i] = i end
for i = 1, 100000, 2 do map["key" .. i] = nil end
local left = 0
for _, value in pairs(map) do left = left + value end
check.equal("map", left, 2500050000)
check.finish("gc")
