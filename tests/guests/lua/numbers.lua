local check = require("check")

check.equal("wraps", math.maxinteger + 1, math.mininteger)
check.equal("wraps in products", math.mininteger * -1, math.mininteger)
check.equal("least divided", math.mininteger // -1, math.mininteger)
check.equal("least modulo", math.mininteger % -1, 0)
check.equal("floor division", -7 // 2, -4)
check.equal("modulo", -7 % 3, 2)
check.equal("modulo of a negative", 7 % -3, -2)
check.equal("float modulo", -7.5 % 2, 0.5)
check.equal("modulo by infinity", -1 % math.huge, math.huge)
check.equal("division", 7 / 2, 3.5)
check.equal("division by zero", 1 / 0, math.huge)
check.equal("negative zero", 1 / -0.0, -math.huge)
check.that("nan", 0 / 0 ~= 0 / 0)
check.equal("power", 2 ^ 10, 1024.0)
check.equal("root", 2 ^ 0.5, math.sqrt(2))
check.equal("shifts", (1 << 63) >> 63, 1)
check.equal("shift out", 1 << 64, 0)
check.equal("shift back", 256 >> -8, 65536)
check.equal("not", ~0, -1)
check.equal("xor", 0xff ~ 0x0f, 0xf0)
check.equal("float as integer", 3.0 | 0, 3)
check.equal("comparison", 1 == 1.0 and math.type(1) == "integer" and math.type(1.0) == "float", true)
check.equal("large comparison", (1 << 53) + 1 == 2 ^ 53, false)
check.equal("large integer and float", math.maxinteger + 0.0 == math.maxinteger, false)
check.equal("tointeger", math.tointeger(3.0), 3)
check.equal("tointeger of a fraction", math.tointeger(3.5), nil)
check.equal("ult", math.ult(1, -1), true)
check.equal("floor", math.floor(-3.5), -4)
check.equal("ceil", math.ceil(-3.5), -3)
check.equal("fmod", math.fmod(-7, 3), -1)
check.equal("modf", select(2, math.modf(-3.25)), -0.25)
check.equal("max", math.max(1, 2.5, -1), 2.5)
check.equal("abs", math.abs(math.mininteger), math.mininteger)

local function near(what, found, expected)
  check.that(what .. ": " .. found, math.abs(found - expected) <= 1e-14 * math.max(1, math.abs(expected)))
end
near("sin", math.sin(1), 0.8414709848078965)
near("cos", math.cos(1), 0.5403023058681398)
near("tan", math.tan(1), 1.5574077246549023)
near("asin", math.asin(0.5), 0.5235987755982989)
near("acos", math.acos(0.5), 1.0471975511965979)
near("atan", math.atan(1, -1), 2.356194490192345)
near("exp", math.exp(1), 2.718281828459045)
near("log", math.log(10), 2.302585092994046)
near("log2", math.log(8, 2), 3)
near("log10", math.log(1000, 10), 3)
near("sqrt", math.sqrt(2), 1.4142135623730951)
near("sin of a large number", math.sin(1e10), -0.48750602508751525)

check.equal("literals", 0x7fffffffffffffff, math.maxinteger)
check.equal("literal that wraps", 0xffffffffffffffff, -1)
check.equal("literal that is a float", math.type(9223372036854775808), "float")
check.equal("hexadecimal float", 0x.8p1, 1.0)
check.equal("%.17g", ("%.17g"):format(0.1), "0.10000000000000001")
check.equal("%.14g", tostring(1 / 3), "0.33333333333333")
check.equal("least subnormal", tostring(5e-324), "4.9406564584125e-324")
check.equal("greatest", tostring(1.7976931348623157e308), "1.7976931348623e+308")
check.equal("infinity", tostring(math.huge) .. tostring(-math.huge), "inf-inf")

-- Planets after 1000 steps, as the n-body benchmark gives it (benchmarksgame: -0.169075164, -0.169087605).
local function nbody(steps)
  local pi, days = math.pi, 365.24
  local mass = 4 * pi * pi
  local bodies = {
    { 0, 0, 0, 0, 0, 0, mass },
    { 4.84143144246472090e+00, -1.16032004402742839e+00, -1.03622044471123109e-01, 1.66007664274403694e-03 * days,
      7.69901118419740425e-03 * days, -6.90460016972063023e-05 * days, 9.54791938424326609e-04 * mass },
    { 8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01, -2.76742510726411021e-03 * days,
      4.99852801234917238e-03 * days, 2.30417297573763929e-05 * days, 2.85885980666130812e-04 * mass },
    { 1.28943695621391310e+01, -1.51111514016986312e+01, -2.23307578892655734e-01, 2.96460137564761618e-03 * days,
      2.37847173959480950e-03 * days, -2.96589568540237556e-05 * days, 4.36624404335156298e-05 * mass },
    { 1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01, 2.68067772490389322e-03 * days,
      1.62824170038242295e-03 * days, -9.51592254519715870e-05 * days, 5.15138902046611451e-05 * mass },
  }
  local px, py, pz = 0, 0, 0
  for _, b in ipairs(bodies) do px, py, pz = px + b[4] * b[7], py + b[5] * b[7], pz + b[6] * b[7] end
  bodies[1][4], bodies[1][5], bodies[1][6] = -px / mass, -py / mass, -pz / mass
  local function energy()
    local e = 0
    for i, a in ipairs(bodies) do
      e = e + 0.5 * a[7] * (a[4] ^ 2 + a[5] ^ 2 + a[6] ^ 2)
      for j = i + 1, #bodies do
        local b = bodies[j]
        e = e - a[7] * b[7] / math.sqrt((a[1] - b[1]) ^ 2 + (a[2] - b[2]) ^ 2 + (a[3] - b[3]) ^ 2)
      end
    end
    return e
  end
  local before = energy()
  for _ = 1, steps do
    for i, a in ipairs(bodies) do
      for j = i + 1, #bodies do
        local b = bodies[j]
        local dx, dy, dz = a[1] - b[1], a[2] - b[2], a[3] - b[3]
        local squared = dx * dx + dy * dy + dz * dz
        local magnitude = 0.01 / (squared * math.sqrt(squared))
        a[4], a[5], a[6] = a[4] - dx * b[7] * magnitude, a[5] - dy * b[7] * magnitude, a[6] - dz * b[7] * magnitude
        b[4], b[5], b[6] = b[4] + dx * a[7] * magnitude, b[5] + dy * a[7] * magnitude, b[6] + dz * a[7] * magnitude
      end
    end
    for _, b in ipairs(bodies) do b[1], b[2], b[3] = b[1] + 0.01 * b[4], b[2] + 0.01 * b[5], b[3] + 0.01 * b[6] end
  end
  return ("%.9f %.9f"):format(before, energy())
end
check.equal("n-body", nbody(1000), "-0.169075164 -0.169087605")

-- The spectral norm of an infinite matrix, cut at 100 (benchmarksgame: 1.274219991).
local function spectral(n)
  local function element(i, j) return 1 / ((i + j) * (i + j + 1) / 2 + i + 1) end
  local function product(v, transposed)
    local result = {}
    for i = 0, n - 1 do
      local sum = 0
      for j = 0, n - 1 do sum = sum + (transposed and element(j, i) or element(i, j)) * v[j] end
      result[i] = sum
    end
    return result
  end
  local u, v = {}, nil
  for i = 0, n - 1 do u[i] = 1 end
  for _ = 1, 10 do
    v = product(product(u, false), true)
    u = product(product(v, false), true)
  end
  local vbv, vv = 0, 0
  for i = 0, n - 1 do vbv, vv = vbv + u[i] * v[i], vv + v[i] * v[i] end
  return ("%.9f"):format(math.sqrt(vbv / vv))
end
check.equal("spectral norm", spectral(100), "1.274219991")

-- Points of the Mandelbrot set on a grid, printed for comparison with other builds.
local inside = 0
for y = -60, 60 do
  for x = -100, 40 do
    local cr, ci, zr, zi = x / 50, y / 50, 0, 0
    local n = 0
    while n < 50 and zr * zr + zi * zi <= 4 do
      zr, zi = zr * zr - zi * zi + cr, 2 * zr * zi + ci
      n = n + 1
    end
    if n == 50 then inside = inside + 1 end
  end
end
print("points inside", inside)
check.that("mandelbrot", inside > 3000 and inside < 6000)

-- Digits of pi by Gibbons's spigot with integers of our own.
local function digits_of_pi(count)
  local length = count * 10 // 3 + 1
  local a, result, held, nines = {}, {}, nil, 0
  for i = 1, length do a[i] = 2 end
  for _ = 1, count + 1 do
    local q = 0
    for i = length, 1, -1 do
      local x = 10 * a[i] + q * i
      a[i], q = x % (2 * i - 1), x // (2 * i - 1)
    end
    a[1], q = q % 10, q // 10
    if q == 9 then
      nines = nines + 1
    else
      if held then result[#result + 1] = held + (q == 10 and 1 or 0) end
      for _ = 1, nines do result[#result + 1] = q == 10 and 0 or 9 end
      held, nines = q == 10 and 0 or q, 0
    end
  end
  return table.concat(result):sub(1, count - 5)
end
check.equal("pi", digits_of_pi(55), "31415926535897932384626433832795028841971693993751")
check.finish("numbers")
