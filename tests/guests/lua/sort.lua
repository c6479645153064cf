local check = require("check")
local random = check.sequence(1)

local function is_sorted(list, less)
  for i = 2, #list do
    if less(list[i], list[i - 1]) then return false end
  end
  return true
end
local function up(a, b) return a < b end
local function down(a, b) return a > b end

for _, size in ipairs({ 0, 1, 2, 3, 10, 100, 1000, 50000 }) do
  local list, sum = {}, 0
  for i = 1, size do
    list[i] = random(size * 2)
    sum = sum + list[i] * list[i]
  end
  for name, less in pairs({ up = up, down = down }) do
    table.sort(list, less)
    check.that("sorted " .. name .. ", " .. size, is_sorted(list, less))
  end
  local after = 0
  for _, value in ipairs(list) do after = after + value * value end
  check.equal("the same elements, " .. size, after, sum)
end

-- Already sorted, reversed, all equal: where naive pivots go quadratic.
local shapes = {
  rising = function(i) return i end,
  falling = function(i) return -i end,
  equal = function() return 7 end,
  organ = function(i) return math.min(i, 20000 - i) end,
}
for name, shape in pairs(shapes) do
  local list = {}
  for i = 1, 20000 do list[i] = shape(i) end
  table.sort(list)
  check.that(name, is_sorted(list, up))
end

local words = {}
for word in ("the quick brown fox jumps over the lazy dog"):gmatch("%a+") do words[#words + 1] = word end
table.sort(words)
check.equal("words", table.concat(words, " "), "brown dog fox jumps lazy over quick the the")
table.sort(words, function(a, b) return #a < #b or (#a == #b and a < b) end)
check.equal("words by length", table.concat(words, " "), "dog fox the the lazy over brown jumps quick")

-- The sieve of Eratosthenes: 9592 primes below 100000.
local composite, primes, last = {}, 0, 0
for n = 2, 99999 do
  if not composite[n] then
    primes, last = primes + 1, n
    for multiple = n * n, 99999, n do composite[multiple] = true end
  end
end
check.equal("primes", primes, 9592)
check.equal("last prime", last, 99991)

local moved = table.move({ 1, 2, 3, 4, 5 }, 2, 4, 3, { "a", "b", "c", "d", "e" })
check.equal("table.move", table.concat(moved, ","), "a,b,2,3,4")
check.equal("table.unpack", select("#", table.unpack({}, 1, 100)), 100)
local list = { 1, 2, 3 }
table.insert(list, 2, 9)
check.equal("table.remove", table.remove(list, 1), 1)
check.equal("table.insert", table.concat(list, ","), "9,2,3")
check.finish("sort")
