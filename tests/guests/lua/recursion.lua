local check = require("check")

local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
check.equal("fib", fib(27), 196418)

local function ackermann(m, n)
  if m == 0 then return n + 1 end
  if n == 0 then return ackermann(m - 1, 1) end
  return ackermann(m - 1, ackermann(m, n - 1))
end
check.equal("ackermann", ackermann(3, 6), 509)

local function tak(x, y, z)
  if y >= x then return z end
  return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y))
end
check.equal("tak", tak(18, 12, 6), 7)

-- 150000 frames deep: Lua's own stack, which moves while it grows.
local function depth(n) if n == 0 then return 0 end return 1 + depth(n - 1) end
check.equal("deep", depth(150000), 150000)

local function sum(first, ...) if not first then return 0 end return first + sum(...) end
local numbers = {}
for i = 1, 200 do numbers[i] = i end
check.equal("varargs recursion", sum(table.unpack(numbers)), 20100)

-- Tail calls need no stack.
local function loop(n, total) if n == 0 then return total end return loop(n - 1, total + n) end
check.equal("tail calls", loop(1000000, 0), 500000500000)
local is_even, is_odd
function is_even(n) if n == 0 then return true end return is_odd(n - 1) end
function is_odd(n) if n == 0 then return false end return is_even(n - 1) end
check.equal("mutual tail calls", is_even(1000001), false)

-- Through C functions: the guest's own call stack.
local function through_gsub(n)
  if n == 0 then return "0" end
  return (("x"):gsub("x", function() return through_gsub(n - 1) end))
end
check.equal("gsub in gsub", through_gsub(150), "0")
local function through_sort(n)
  if n == 0 then return 0 end
  local deepest = 0
  table.sort({ 1, 2 }, function(a, b)
    deepest = 1 + through_sort(n - 1)
    return a < b
  end)
  return deepest
end
check.equal("sort in sort", through_sort(12), 12)
local chain = {}
for _ = 1, 100 do chain = setmetatable({}, { __index = chain }) end
check.equal("chain of __index", chain.missing, nil)

-- The parser goes down with what it reads.
check.equal("nested parentheses", load("return " .. ("("):rep(150) .. "42" .. (")"):rep(150))(), 42)
check.equal("nested tables", #load("return " .. ("{"):rep(100) .. ("}"):rep(100))(), 1)
check.equal("nested functions", load(("return (function() "):rep(50) .. "return 7" .. (" end)()"):rep(50))(), 7)

-- Towers of Hanoi, permutations, queens.
local moves = 0
local function hanoi(n, from, to, over)
  if n == 0 then return end
  hanoi(n - 1, from, over, to)
  moves = moves + 1
  hanoi(n - 1, over, to, from)
end
hanoi(16, "a", "b", "c")
check.equal("hanoi", moves, 65535)

local permutations = 0
local function permute(list, n)
  if n == 0 then permutations = permutations + 1 return end
  for i = 1, n do
    list[n], list[i] = list[i], list[n]
    permute(list, n - 1)
    list[n], list[i] = list[i], list[n]
  end
end
permute({ 1, 2, 3, 4, 5, 6, 7, 8 }, 8)
check.equal("permutations", permutations, 40320)

local function queens(n, row, columns, left, right)
  if row == n then return 1 end
  local solutions = 0
  for c = 0, n - 1 do
    local bit, l, r = 1 << c, 1 << (row + c), 1 << (row - c + n)
    if columns & bit == 0 and left & l == 0 and right & r == 0 then
      solutions = solutions + queens(n, row + 1, columns | bit, left | l, right | r)
    end
  end
  return solutions
end
check.equal("queens", queens(8, 0, 0, 0, 0), 92)
check.finish("recursion")
