local check = require("check")

-- Shared and separate upvalues.
local function counter()
  local n = 0
  return function() n = n + 1 return n end, function() return n end
end
local step, look = counter()
local other = counter()
for _ = 1, 10 do step() end
other()
check.equal("shared", look(), 10)
check.equal("separate", other(), 2)

-- A fresh variable each round.
local functions = {}
for i = 1, 5 do functions[i] = function() i = i + 10 return i end end
check.equal("fresh loop variable", functions[1]() + functions[5]() + functions[1](), 11 + 15 + 21)

local function compose(...)
  local all = { ... }
  return function(x)
    for i = #all, 1, -1 do x = all[i](x) end
    return x
  end
end
check.equal("compose", compose(function(x) return x + 1 end, function(x) return x * 2 end)(5), 11)

local function count(...) return select("#", ...) end
check.equal("varargs", count(nil, nil, nil), 3)
check.equal("adjusted", count((count(1, 2))), 1)
check.equal("table.pack", table.pack(nil, 2, nil).n, 3)

-- Classes by metatables.
local Animal = {}
Animal.__index = Animal
function Animal.new(name) return setmetatable({ name = name }, Animal) end
function Animal:speak() return self.name .. " makes a sound" end
local Dog = setmetatable({}, { __index = Animal })
Dog.__index = Dog
function Dog.new(name) return setmetatable(Animal.new(name), Dog) end
function Dog:speak() return Animal.speak(self) .. ": woof" end
check.equal("inheritance", Dog.new("Rex"):speak(), "Rex makes a sound: woof")

-- Operators.
local V = {}
V.__index = V
local function vector(x, y) return setmetatable({ x = x, y = y }, V) end
V.__add = function(a, b) return vector(a.x + b.x, a.y + b.y) end
V.__mul = function(a, b) return type(a) == "number" and vector(a * b.x, a * b.y) or a.x * b.x + a.y * b.y end
V.__unm = function(a) return vector(-a.x, -a.y) end
V.__eq = function(a, b) return a.x == b.x and a.y == b.y end
V.__lt = function(a, b) return a * a < b * b end
V.__le = function(a, b) return a * a <= b * b end
V.__len = function() return 2 end
V.__concat = function(a, b) return tostring(a) .. tostring(b) end
V.__tostring = function(a) return "(" .. a.x .. "," .. a.y .. ")" end
V.__call = function(a, scale) return scale * a end
V.__idiv = function(a, n) return vector(a.x // n, a.y // n) end
V.__band = function(a, n) return vector(a.x & n, a.y & n) end
local a, b = vector(1, 2), vector(3, 4)
check.equal("add", tostring(a + b), "(4,6)")
check.equal("mul", a * b, 11)
check.equal("scale", tostring(2 * a), "(2,4)")
check.equal("unm", -a == vector(-1, -2), true)
check.equal("lt", a < b and a <= b and not (b < a), true)
check.equal("len", #a, 2)
check.equal("concat", a .. b, "(1,2)(3,4)")
check.equal("call", tostring(a(3)), "(3,6)")
check.equal("idiv", tostring(b // 2), "(1,2)")
check.equal("band", tostring(b & 1), "(1,0)")

-- Proxies.
local log = {}
local proxy = setmetatable({}, {
  __index = function(_, key) return key .. "!" end,
  __newindex = function(_, key, value) log[#log + 1] = key .. "=" .. value end,
  __pairs = function() return function(_, k) return not k and 1 or nil end end,
})
proxy.x = 5
check.equal("__index", proxy.anything, "anything!")
check.equal("__newindex", log[1], "x=5")
local rounds = 0
for _ in pairs(proxy) do rounds = rounds + 1 end
check.equal("__pairs", rounds, 1)

-- Variables that close.
local order = {}
do
  local first <close> = setmetatable({}, { __close = function() order[#order + 1] = "first" end })
  local second <close> = setmetatable({}, { __close = function() order[#order + 1] = "second" end })
  local limit <const> = 3
  order[#order + 1] = "body" .. limit
end
check.equal("close", table.concat(order, " "), "body3 second first")

-- goto continue, nested break, integer and float loops.
local odd = 0
for i = 1, 10 do
  if i % 2 == 0 then goto continue end
  odd = odd + i
  ::continue::
end
check.equal("goto", odd, 25)
local steps = 0
for x = 1.0, 0.0, -0.25 do steps = steps + 1 end
check.equal("float loop", steps, 5)
local none = 0
for _ = math.maxinteger, math.maxinteger - 1 do none = none + 1 end
check.equal("empty loop", none, 0)
local edge = 0
for _ = math.maxinteger - 2, math.maxinteger do edge = edge + 1 end
check.equal("loop to the greatest integer", edge, 3)

-- Code made at run time.
check.equal("load", load("local a, b = ... return a * b")(6, 7), 42)
local environment = { x = 5 }
load("y = x + 1", "chunk", "t", environment)()
check.equal("load with an environment", environment.y, 6)
check.equal("string.dump", load(string.dump(function(x) return x + 1 end))(1), 2)
check.finish("closures")
